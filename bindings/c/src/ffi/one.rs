//! Operations on one key.

use super::entry;
use super::pointer::{Out, Room, array, optional};
use super::types::{
    litestash_buffer, litestash_bytes, litestash_entry, litestash_key, litestash_set_options,
    litestash_stash, litestash_status, litestash_written,
};
use crate::buffer::Memory;
use litestash_core::limits::VALUE_BYTES_MAX;
use litestash_core::{
    Action, Condition, Entry, Error, ErrorKind, LiteStash, Op, Outcome, Result, SetOptions, ToKey,
};

/// The value of a key, to be given back with litestash_buffer_free; no bytes if the key is missing or expired. (A
/// stored nil has a byte.)
///
/// Errors of every read: LITESTASH_INVALID_KEY, LITESTASH_TOO_LARGE (the key), LITESTASH_CORRUPT,
/// LITESTASH_NOT_A_STASH, LITESTASH_UNSUPPORTED_FORMAT, LITESTASH_BUSY, LITESTASH_CLOSED, LITESTASH_FORKED,
/// LITESTASH_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_get(
    stash: litestash_stash,
    key: litestash_key,
    value: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::new(value)?;
        let found = stash.with_encoded(key, Memory::copy)?;
        out.set(found.map_or(litestash_buffer::NONE, litestash_buffer::of))
    })
}

/// The value of a key into memory of the caller's: the way without an allocation. `length` is the length of the
/// value, 0 if the key is missing or expired. If it is over `capacity`, nothing was copied: ask again with more.
/// `buffer` may be NULL if `capacity` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_get_into(
    stash: litestash_stash,
    key: litestash_key,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let room = Room::new(buffer, capacity)?;
        let out = Out::new(length)?;
        let found = stash.with_encoded(key, |encoded| Ok(room.fill(encoded)))?;
        out.set(found.unwrap_or(0))
    })
}

/// Whether a key is there and not expired.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_exists(
    stash: litestash_stash,
    key: litestash_key,
    present: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        Out::new(present)?.set(stash.exists(key)?)
    })
}

/// The value of a key with its version and deadline. Give `entry->value` back with litestash_buffer_free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_get_entry(
    stash: litestash_stash,
    key: litestash_key,
    entry: *mut litestash_entry,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::new(entry)?;
        out.set(litestash_entry::of(stash.entry(key)?.as_ref())?)
    })
}

impl litestash_entry {
    pub(super) fn of(entry: Option<&Entry>) -> Result<Self> {
        let deadline = entry.and_then(|entry| entry.expires_at);
        Ok(Self {
            value: litestash_buffer::copy(entry.map(|entry| entry.encoded.as_slice()))?,
            version: entry.map_or(0, |entry| entry.version.micros()),
            expires_at: deadline.unwrap_or(0),
            idle_us: entry.and_then(|entry| entry.idle_us).unwrap_or(0),
            present: entry.is_some(),
            has_deadline: deadline.is_some(),
        })
    }
}

/// Stores a value, given as its encoding, under a key. `options` may be NULL: in any case, replacing what was there
/// and its deadline. `written` may be NULL.
///
/// Errors of every write: those of reads, LITESTASH_INVALID_VALUE, LITESTASH_TOO_LARGE, LITESTASH_READ_ONLY,
/// LITESTASH_DISK_FULL, LITESTASH_PERMISSION_DENIED, and LITESTASH_INDETERMINATE if the commit failed. After any other
/// error nothing was written. A condition that does not hold is no error: `written->stored` is false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_set(
    stash: litestash_stash,
    key: litestash_key,
    value: *const u8,
    value_length: usize,
    options: *const litestash_set_options,
    written: *mut litestash_written,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let value = array(value, value_length, VALUE_BYTES_MAX)?;
        let options = optional(options)?.map_or(Ok(SetOptions::default()), litestash_set_options::checked)?;
        let out = Out::optional(written)?;
        out.set(litestash_written::of(stash.set_encoded(key, value.to_vec(), options)?))
    })
}

/// A set on a condition.
///
/// # Safety
///
/// As every exported function.
unsafe fn set_if(
    stash: litestash_stash,
    key: litestash_key,
    value: litestash_bytes,
    condition: Condition,
    stored: *mut bool,
) -> Result<()> {
    let stash = stash.enter()?;
    // SAFETY: the caller promises it, here and below.
    let (key, value, out) = unsafe { (key.view()?, value.value()?, Out::optional(stored)?) };
    out.set(stash.set_encoded(key, value.to_vec(), SetOptions::when(condition))?.is_some())
}

/// Stores a value if the key is missing or expired: litestash_set with LITESTASH_IF_ABSENT. `stored` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_add(
    stash: litestash_stash,
    key: litestash_key,
    value: *const u8,
    value_length: usize,
    stored: *mut bool,
) -> litestash_status {
    let value = litestash_bytes { data: value, length: value_length };
    entry!(set_if(stash, key, value, Condition::Absent, stored))
}

/// Stores a value if the key is there: litestash_set with LITESTASH_IF_PRESENT. `stored` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_replace(
    stash: litestash_stash,
    key: litestash_key,
    value: *const u8,
    value_length: usize,
    stored: *mut bool,
) -> litestash_status {
    let value = litestash_bytes { data: value, length: value_length };
    entry!(set_if(stash, key, value, Condition::Present, stored))
}

/// Deletes a key. `deleted`, which may be NULL: whether it was there and not expired.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_delete(
    stash: litestash_stash,
    key: litestash_key,
    deleted: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::optional(deleted)?;
        out.set(stash.delete(key)?)
    })
}

/// Takes a value out: get and delete in one step. No bytes if the key is missing or expired.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_take(
    stash: litestash_stash,
    key: litestash_key,
    value: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::new(value)?;
        match perform(&stash, key, Action::Take)? {
            Outcome::Value(taken) => out.set(litestash_buffer::copy(taken.as_deref())?),
            _ => Err(unexpected()),
        }
    })
}

/// Adds `by` to a stored integer. A missing key counts as 0; a row keeps its deadline. `sum` may be NULL.
/// LITESTASH_OVERFLOW if the stored integer or the sum is outside of 64 signed bits, LITESTASH_TYPE_MISMATCH if no
/// integer is stored; the row is unchanged then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_increment(
    stash: litestash_stash,
    key: litestash_key,
    by: i64,
    sum: *mut i64,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::optional(sum)?;
        out.set(stash.increment(key, by)?)
    })
}

/// Adds `by` to a stored number and stores the sum as a float. A missing key counts as 0.0; a row keeps its deadline.
/// `sum` may be NULL. LITESTASH_OVERFLOW if the sum is not finite or a stored integer is beyond 2^53,
/// LITESTASH_TYPE_MISMATCH if no number is stored, LITESTASH_INVALID_ARGUMENT if `by` is not finite.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_increment_float(
    stash: litestash_stash,
    key: litestash_key,
    by: f64,
    sum: *mut f64,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let out = Out::optional(sum)?;
        out.set(stash.increment_float(key, by)?)
    })
}

/// Stores a value if the key holds `expected`: if the encodings are equal. `expected` NULL: if the key is missing or
/// expired. `stored` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_compare_and_set(
    stash: litestash_stash,
    key: litestash_key,
    expected: *const u8,
    expected_length: usize,
    value: *const u8,
    value_length: usize,
    stored: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let key = key.view()?;
        let expected = match array(expected, expected_length, VALUE_BYTES_MAX)? {
            _ if expected.is_null() => None,
            bytes => Some(bytes.to_vec()),
        };
        let encoded = array(value, value_length, VALUE_BYTES_MAX)?.to_vec();
        let out = Out::optional(stored)?;
        match perform(&stash, key, Action::CompareAndSet { expected, encoded })? {
            Outcome::Flag(stored) => out.set(stored),
            _ => Err(unexpected()),
        }
    })
}

fn perform(stash: &LiteStash, key: impl ToKey, action: Action) -> Result<Outcome> {
    stash.perform(&Op::new(key, action)?)
}

pub(super) fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "an operation answered with another type than its own")
}
