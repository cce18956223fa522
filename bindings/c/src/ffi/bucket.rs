//! Buckets.

use super::care::give;
use super::options::{LITESTASH_EVICTION_NONE, durability, limits, size};
use super::pointer::{Out, optional, text};
use super::types::{
    LITESTASH_DEADLINE_IN, LITESTASH_DEADLINE_NEVER, LITESTASH_DEADLINE_NONE, litestash_buffer,
    litestash_deadline, litestash_stash, litestash_status,
};
use super::{entry, invalid};
use crate::handle::STASHES;
use litestash_core::limits::VALUE_BYTES_MAX;
use litestash_core::{BucketOptions, Deadline, ErrorKind, Result};
use std::ffi::c_char;

/// What a bucket has of its own. All zero, or NULL instead: nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_bucket_options {
    /// The time to live of rows that are made without saying a deadline: LITESTASH_DEADLINE_IN, or
    /// LITESTASH_DEADLINE_NEVER. All zero: the stash's.
    pub default_ttl: litestash_deadline,
    /// The longest value in bytes of its encoding. 0: the stash's.
    pub value_bytes_max: u64,
    /// Bytes that the bucket may take on disk, as in litestash_options. 0: no limit. The stash's limits do not count
    /// its buckets.
    pub bytes_max: u64,
    /// Rows that the bucket may have. 0: no limit.
    pub rows_max: u64,
    /// What happens when a limit is reached: LITESTASH_EVICTION_NONE and so on.
    pub eviction: u32,
    /// Not 0: writes through the handle are acknowledged at the level `durability`. 0: as through the handle that was
    /// asked for the bucket.
    pub has_durability: u32,
    /// LITESTASH_DURABILITY_NORMAL and so on.
    pub durability: u32,
    /// Not 0: the bucket's rows take no part in the stash's cache. For one that is only walked through.
    pub uncached: u32,
    /// Zero.
    pub reserved: [u64; 4],
}

impl litestash_bucket_options {
    fn checked(self) -> Result<BucketOptions> {
        if self.reserved != [0; 4] {
            return Err(invalid("a reserved field is not zero"));
        }
        let mut options = BucketOptions::new().cache(self.uncached == 0);
        options = match (self.default_ttl.kind, self.default_ttl.checked()?) {
            (LITESTASH_DEADLINE_NONE, _) => options,
            (LITESTASH_DEADLINE_NEVER, _) => options.default_ttl(None),
            (LITESTASH_DEADLINE_IN, Some(Deadline::In(ttl))) => options.default_ttl(Some(ttl)),
            _ => return Err(invalid("a default time to live is counted from the write")),
        };
        if self.value_bytes_max != 0 {
            options = options.value_bytes_max(size(self.value_bytes_max));
        }
        if (self.bytes_max, self.rows_max, self.eviction) != (0, 0, LITESTASH_EVICTION_NONE) {
            options = options.limits(limits(self.bytes_max, self.rows_max, self.eviction)?);
        }
        if self.has_durability != 0 {
            options = options.durability(durability(self.durability)?);
        }
        Ok(options)
    }
}

/// The name of a bucket. Whether it is one, its length included, is for the engine.
///
/// # Safety
///
/// As every exported function.
unsafe fn name<'a>(name: *const c_char, length: usize) -> Result<&'a str> {
    // SAFETY: the caller promises it.
    unsafe { text(name, length, VALUE_BYTES_MAX, ErrorKind::InvalidArgument) }
}

/// A handle of the bucket of that name: a stash of its own inside this one, with every operation but buckets.
///
/// The name is UTF-8 text, not empty, of up to 255 bytes, in which every byte but ASCII letters, digits, `_` and `-`
/// counts as three: else LITESTASH_INVALID_ARGUMENT, and so it is if the stash already is a bucket, or if the bucket
/// is open with other `options` (which may be NULL). Nothing is created or opened by this call: a bucket comes into
/// being with its first write.
///
/// litestash_release gives back the handle. litestash_close closes the bucket for all of its handles; closing the stash
/// closes its buckets and gives back their handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_bucket(
    stash: litestash_stash,
    bucket_name: *const c_char,
    bucket_name_length: usize,
    options: *const litestash_bucket_options,
    bucket: *mut litestash_stash,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let name = name(bucket_name, bucket_name_length)?;
        let options = optional(options)?.map(litestash_bucket_options::checked).transpose()?;
        let out = Out::new(bucket)?;
        let engine = match options {
            Some(options) => stash.bucket_with(name, options)?,
            None => stash.bucket(name)?,
        };
        out.set(litestash_stash { id: STASHES.insert(stash.bucket_of(engine))? })
    })
}

/// Whether the handle is that of a bucket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_is_bucket(
    stash: litestash_stash,
    is_bucket: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        Out::new(is_bucket)?.set(stash.is_bucket())
    })
}

/// The names of all buckets: an encoded array of texts, in ascending order of their bytes, to be given back with
/// litestash_buffer_free. A bucket is there from its first write on until it is dropped. litestash_stats of a bucket's
/// handle has its figures, that of the stash the sums over all buckets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_buckets(
    stash: litestash_stash,
    names: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::new(names)?;
        give(&stash.buckets()?, out)
    })
}

/// Deletes a bucket with all that is in it. `dropped`, which may be NULL: whether there was one. Others may be using
/// it, also in other processes: a write that begins afterwards makes the bucket anew, and handles stay usable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_drop_bucket(
    stash: litestash_stash,
    bucket_name: *const c_char,
    bucket_name_length: usize,
    dropped: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let name = name(bucket_name, bucket_name_length)?;
        let out = Out::optional(dropped)?;
        out.set(stash.drop_bucket(name)?)
    })
}
