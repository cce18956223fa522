//! Deadlines.

use super::care::give;
use super::pointer::{Out, optional_text};
use super::types::{
    litestash_buffer, litestash_deadline, litestash_key, litestash_lifetime, litestash_stash,
    litestash_status,
};
use super::{entry, invalid};
use litestash_core::limits::KEY_BYTES_MAX;
use litestash_core::{Deadline, Result};
use std::ffi::c_char;
use std::time::Duration;

/// How long a key has left, in microseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_ttl(
    stash: litestash_stash,
    key: litestash_key,
    left: *mut litestash_lifetime,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::new(left)?;
        let micros = |left: Duration| i64::try_from(left.as_micros()).unwrap_or(i64::MAX);
        out.set(litestash_lifetime::of(stash.ttl(key)?.map(|left| left.map(micros))))
    })
}

/// When a key ends, Unix time in microseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_expires_at(
    stash: litestash_stash,
    key: litestash_key,
    end: *mut litestash_lifetime,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::new(end)?;
        out.set(litestash_lifetime::of(stash.expires_at(key)?))
    })
}

/// Gives a key a new deadline, which is a write of the row. `present`, which may be NULL: whether the key was there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_expire(
    stash: litestash_stash,
    key: litestash_key,
    deadline: litestash_deadline,
    present: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let deadline = required_deadline(deadline)?;
        let out = Out::optional(present)?;
        out.set(stash.expire(key, deadline)?)
    })
}

pub(super) fn required_deadline(deadline: litestash_deadline) -> Result<Deadline> {
    deadline.checked()?.ok_or_else(|| invalid("there is no deadline; litestash_persist takes one away"))
}

/// Takes a key's deadline away, which is a write of the row. `had_one`, which may be NULL: whether it had one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_persist(
    stash: litestash_stash,
    key: litestash_key,
    had_one: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::optional(had_one)?;
        out.set(stash.persist(key)?)
    })
}

/// Begins a key's sliding deadline anew, as a get does, but at once; the row keeps its version, and without such a
/// deadline it is not changed. `present`, which may be NULL: whether the key was there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_touch(
    stash: litestash_stash,
    key: litestash_key,
    present: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::optional(present)?;
        out.set(stash.touch(key)?)
    })
}

/// Removes expired rows now. Nobody ever sees an expired row, swept or not: what a sweep gives is room, and the
/// background does it unless the options say otherwise. Works in transactions of at most 200 rows. The report has
/// `rows`, `hints`, `unreadable`, and `postponed`: true if the wall clock was set by more than a minute less than a
/// minute ago, and therefore nothing was removed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_sweep(
    stash: litestash_stash,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::optional(report)?;
        give(&stash.sweep()?, out)
    })
}

/// Removes rows that were last written more than `age_us` microseconds ago; with a prefix only text keys that begin
/// with it (NULL: all). `removed`, which may be NULL: how many. Reads and touches are no writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_expire_older_than(
    stash: litestash_stash,
    age_us: u64,
    prefix: *const c_char,
    prefix_length: usize,
    removed: *mut u64,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let prefix = optional_text(prefix, prefix_length, KEY_BYTES_MAX)?;
        let out = Out::optional(removed)?;
        out.set(stash.expire_older_than(Duration::from_micros(age_us), prefix)?)
    })
}

/// What this process did about deadlines since it opened the stash. Costs nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_expiry_stats(
    stash: litestash_stash,
    report: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::new(report)?;
        give(&stash.expiry_stats(), out)
    })
}
