//! Values that are computed where they are missing.

use super::pointer::{Out, optional};
use super::types::{
    litestash_buffer, litestash_builder, litestash_key, litestash_set_options, litestash_stash,
    litestash_status,
};
use super::{entry, invalid};
use crate::buffer::Memory;
use crate::builder::Builder;
use crate::handle::{BUILDERS, Single};
use litestash_core::{ComputeOptions, Error, ErrorKind, Result, SetOptions};
use std::ffi::c_void;
use std::time::Duration;

/// Computes a value: builds it in `value`, which belongs to the library, and returns 0; anything else is a failure.
/// It may use the stash, but not ask for its own key, and must not leave but by returning.
pub type litestash_compute =
    Option<unsafe extern "C" fn(context: *mut c_void, value: litestash_builder) -> i32>;

/// How a value is computed and stored. All zero, or NULL instead: stored as litestash_set does without options, one
/// computation over all processes, leases of 5 s, nothing stale.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_compute_options {
    /// How the value is stored. The condition and `keep_ttl` are not used.
    pub set: litestash_set_options,
    /// How long other processes wait for one that died while it computed, in microseconds: 10 000 (10 ms) to
    /// 600 000 000 (10 minutes); 0: 5 s. It is renewed while the computation runs, so it may be shorter than that takes.
    pub lease_us: u64,
    /// For how many microseconds after its time to live a value may still be returned while one caller, over all
    /// processes, computes the next. 0: not at all. It takes a deadline of the kind LITESTASH_DEADLINE_IN, the same in
    /// each call.
    pub stale_us: u64,
    /// Not 0: other processes are not waited for. One thread of each process computes, and the first value that is
    /// stored is kept by all.
    pub this_process_only: u32,
    /// Zero.
    pub reserved: [u32; 5],
}

impl litestash_compute_options {
    fn checked(self) -> Result<ComputeOptions> {
        if self.reserved != [0; 5] {
            return Err(invalid("a reserved field is not zero"));
        }
        let mut options = ComputeOptions::from(self.set.checked()?);
        options.across_processes = self.this_process_only == 0;
        if self.lease_us != 0 {
            options.lease = Duration::from_micros(self.lease_us);
        }
        options.stale_while_revalidate = (self.stale_us != 0).then(|| Duration::from_micros(self.stale_us));
        Ok(options)
    }
}

/// The value of a key; if it is missing or expired, what `compute` builds, stored under the key.
///
/// However many threads and processes ask for one key at the same time, one computes and the others wait for its
/// value. If the key was written meanwhile, that value is kept and returned. LITESTASH_COMPUTE_FAILED for all of this
/// process who waited if `compute` does not return 0; nothing is stored then. A computation that asks for its own key
/// is LITESTASH_INVALID_ARGUMENT. Of `options`, which may be NULL, the condition and `keep_ttl` are not used. Give
/// `value` back with litestash_buffer_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_get_or_set(
    stash: litestash_stash,
    key: litestash_key,
    options: *const litestash_set_options,
    compute: litestash_compute,
    context: *mut c_void,
    value: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let options = optional(options)?.map_or(Ok(SetOptions::default()), litestash_set_options::checked)?;
        get_or_set(stash, key, options.into(), compute, context, value)
    })
}

/// litestash_get_or_set with more options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_get_or_set_with(
    stash: litestash_stash,
    key: litestash_key,
    options: *const litestash_compute_options,
    compute: litestash_compute,
    context: *mut c_void,
    value: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let options =
            optional(options)?.map_or(Ok(ComputeOptions::default()), litestash_compute_options::checked)?;
        get_or_set(stash, key, options, compute, context, value)
    })
}

/// # Safety
///
/// As every exported function.
unsafe fn get_or_set(
    stash: litestash_stash,
    key: litestash_key,
    options: ComputeOptions,
    compute: litestash_compute,
    context: *mut c_void,
    value: *mut litestash_buffer,
) -> Result<()> {
    let stash = stash.enter()?;
    // SAFETY: the caller promises it.
    let (key, out) = unsafe { (key.view()?, Out::new(value)?) };
    let compute = compute.ok_or_else(|| invalid("there is no function to compute the value"))?;
    let encoded = stash.get_or_set_encoded(key, options, || {
        let id = BUILDERS.insert(Single::new(Builder::default()))?;
        // SAFETY: the header asks for a function that can be called with that context.
        let failed = unsafe { compute(context, litestash_builder { id }) } != 0;
        let builder = BUILDERS.retire(id)?;
        if failed {
            return Err(Error::new(ErrorKind::ComputeFailed, "the computation of the value failed"));
        }
        builder.claim()?.finish()
    })?;
    out.set(litestash_buffer::of(Memory::copy(&encoded)?))
}
