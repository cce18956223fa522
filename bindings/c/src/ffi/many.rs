//! Many keys at once.

use super::one::unexpected;
use super::pointer::{Out, Outs, array};
use super::time::required_deadline;
use super::types::{
    litestash_buffer, litestash_bytes, litestash_entry, litestash_key, litestash_set_options,
    litestash_stash, litestash_status,
};
use super::{catch, entry, invalid};
use crate::buffer::Memory;
use crate::error;
use litestash_core::limits::BATCH_OPERATIONS_MAX;
use litestash_core::{Action, Error, Op, Outcome, Result, SetOptions, Version};

/// Read the value.
pub const LITESTASH_OP_GET: u32 = 1;
/// Ask whether the key is there.
pub const LITESTASH_OP_EXISTS: u32 = 2;
/// Read the value with its version and deadline.
pub const LITESTASH_OP_ENTRY: u32 = 3;
/// Store `value` as `options` say.
pub const LITESTASH_OP_SET: u32 = 4;
/// Delete.
pub const LITESTASH_OP_DELETE: u32 = 5;
/// Read the value and delete.
pub const LITESTASH_OP_TAKE: u32 = 6;
/// Add `integer`.
pub const LITESTASH_OP_INCREMENT: u32 = 7;
/// Add `number`.
pub const LITESTASH_OP_INCREMENT_FLOAT: u32 = 8;
/// Store `value` if the key holds `expected` (data NULL: if it is missing).
pub const LITESTASH_OP_COMPARE_AND_SET: u32 = 9;
/// Give the deadline `options.deadline`.
pub const LITESTASH_OP_EXPIRE: u32 = 10;
/// Take the deadline away.
pub const LITESTASH_OP_PERSIST: u32 = 11;
/// Begin a sliding deadline anew.
pub const LITESTASH_OP_TOUCH: u32 = 12;
/// Ask whether `options.condition` (and `options.version`) holds; where it does not, a transaction is refused.
pub const LITESTASH_OP_CHECK: u32 = 13;
/// Ask whether the key holds `expected`; else as LITESTASH_OP_CHECK.
pub const LITESTASH_OP_EXPECT: u32 = 14;

/// An operation for litestash_apply and litestash_transaction. What its kind does not use is to be zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_op {
    /// The key.
    pub key: litestash_key,
    /// The value to store, as its encoding.
    pub value: litestash_bytes,
    /// The value that must be there, as its encoding.
    pub expected: litestash_bytes,
    /// The integer to add.
    pub integer: i64,
    /// The float to add.
    pub number: f64,
    /// How to store, or the deadline.
    pub options: litestash_set_options,
    /// LITESTASH_OP_GET and so on.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
}

/// What an operation answered. Give all of them back with litestash_answers_free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_answer {
    /// GET, TAKE, ENTRY: the value, or no bytes if the key is not there. Of an error: its text.
    pub value: litestash_buffer,
    /// SET that stored, ENTRY: the version.
    pub version: i64,
    /// ENTRY: the deadline, if there is one.
    pub expires_at: i64,
    /// ENTRY: microseconds after its last use that the row ends, if its deadline slides; else 0.
    pub idle_us: u64,
    /// INCREMENT: the sum.
    pub integer: i64,
    /// INCREMENT_FLOAT: the sum.
    pub number: f64,
    /// LITESTASH_OK, or the operation's own error.
    pub status: litestash_status,
    /// GET, TAKE, ENTRY, EXISTS, DELETE, EXPIRE, TOUCH: whether the key was there. SET, COMPARE_AND_SET: whether it
    /// stored. PERSIST: whether there was a deadline. CHECK, EXPECT: whether that holds. INCREMENT, INCREMENT_FLOAT: true.
    pub flag: bool,
    /// ENTRY: whether there is a deadline.
    pub has_deadline: bool,
}

impl litestash_op {
    /// The engine's operation.
    ///
    /// # Safety
    ///
    /// As every exported function.
    pub(super) unsafe fn checked(self) -> Result<Op> {
        if self.reserved != 0 {
            return Err(invalid("a reserved field is not zero"));
        }
        // SAFETY: the caller promises it.
        let key = unsafe { self.key.view() }?;
        // SAFETY: as above.
        let value = || unsafe { self.value.value() }.map(<[u8]>::to_vec);
        let action = match self.kind {
            LITESTASH_OP_GET => Action::Get,
            LITESTASH_OP_EXISTS => Action::Exists,
            LITESTASH_OP_ENTRY => Action::Entry,
            LITESTASH_OP_SET => Action::Set { encoded: value()?, options: self.options.checked()? },
            LITESTASH_OP_DELETE => Action::Delete,
            LITESTASH_OP_TAKE => Action::Take,
            LITESTASH_OP_INCREMENT => Action::Increment(self.integer),
            LITESTASH_OP_INCREMENT_FLOAT => Action::IncrementFloat(self.number),
            LITESTASH_OP_COMPARE_AND_SET => {
                // SAFETY: as above.
                let expected = unsafe { self.expected.value() }?;
                let expected = (!self.expected.data.is_null()).then(|| expected.to_vec());
                Action::CompareAndSet { expected, encoded: value()? }
            }
            LITESTASH_OP_EXPIRE => Action::Expire(required_deadline(self.options.deadline)?),
            LITESTASH_OP_PERSIST => Action::Persist,
            LITESTASH_OP_TOUCH => Action::Touch,
            LITESTASH_OP_CHECK => Action::Check(self.options.condition()?),
            // SAFETY: as above.
            LITESTASH_OP_EXPECT => Action::Expect(unsafe { self.expected.value() }?.to_vec()),
            _ => return Err(invalid("the operation is of no known kind")),
        };
        Op::new(key, action)
    }
}

impl litestash_answer {
    pub(super) const NONE: Self = Self {
        value: litestash_buffer::NONE,
        version: 0,
        expires_at: 0,
        idle_us: 0,
        integer: 0,
        number: 0.0,
        status: error::OK,
        flag: false,
        has_deadline: false,
    };

    pub(super) fn of(result: Result<Outcome>) -> Self {
        result.and_then(Self::of_outcome).unwrap_or_else(|error| Self::of_error(&error))
    }

    fn of_outcome(outcome: Outcome) -> Result<Self> {
        let none = Self::NONE;
        Ok(match outcome {
            Outcome::Value(value) => {
                Self { flag: value.is_some(), value: litestash_buffer::copy(value.as_deref())?, ..none }
            }
            Outcome::Flag(flag) => Self { flag, ..none },
            Outcome::Entry(entry) => {
                let entry = litestash_entry::of(entry.as_ref())?;
                let litestash_entry { value, version, expires_at, idle_us, present, has_deadline } = entry;
                Self { value, version, expires_at, idle_us, flag: present, has_deadline, ..none }
            }
            Outcome::Version(version) => {
                Self { flag: version.is_some(), version: version.map_or(0, Version::micros), ..none }
            }
            Outcome::Int(integer) => Self { flag: true, integer, ..none },
            Outcome::Float(number) => Self { flag: true, number, ..none },
            _ => return Err(unexpected()),
        })
    }

    fn of_error(error: &Error) -> Self {
        // Without memory for the text there is still the number.
        let value =
            litestash_buffer::copy(Some(error.message().as_bytes())).unwrap_or(litestash_buffer::NONE);
        Self { value, status: error::number(error.kind()), ..Self::NONE }
    }
}

/// Performs `count` independent operations, one transaction per shard that they touch, and answers each of them:
/// `answers` has room for `count`. An operation that is refused or fails by itself changes nothing and does not stop
/// the others. If a shard's transaction fails, every operation in it has that error. Operations of one shard are done
/// in the order given.
///
/// LITESTASH_TOO_LARGE over LITESTASH_BATCH_OPERATIONS_MAX operations or LITESTASH_BATCH_BYTES_MAX bytes of keys and
/// values: then nothing is done and there are no answers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_apply(
    stash: litestash_stash,
    operations: *const litestash_op,
    count: usize,
    answers: *mut litestash_answer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let operations = array(operations, count, BATCH_OPERATIONS_MAX)?;
        let outs = Outs::new(answers, count)?;
        let mut ops = Vec::with_capacity(count);
        let mut refused = Vec::with_capacity(count);
        for operation in operations {
            refused.push(operation.checked().map(|op| ops.push(op)).err());
        }
        let mut outcomes = stash.apply(&ops)?.into_iter();
        outs.set(refused.into_iter().map(|refused| match refused {
            Some(error) => litestash_answer::of_error(&error),
            // There are as many outcomes as operations that were not refused.
            None => litestash_answer::of(outcomes.next().unwrap_or_else(|| Err(unexpected()))),
        }))
    })
}

/// Gives back what `count` answers hold, and empties them. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_answers_free(answers: *mut litestash_answer, count: usize) {
    if answers.is_null() || !answers.is_aligned() || count > BATCH_OPERATIONS_MAX {
        return;
    }
    for index in 0..count {
        // SAFETY: the caller promises answers that the library filled, or that are all zero.
        let given = unsafe { answers.add(index).replace(litestash_answer::NONE) };
        // SAFETY: as above; it was emptied, so this happens once. free takes null.
        unsafe { libc::free(given.value.data.cast()) };
    }
}

/// An operation for each key.
///
/// # Safety
///
/// As every exported function.
unsafe fn each(
    keys: *const litestash_key,
    count: usize,
    mut action: impl FnMut(usize) -> Result<Action>,
) -> Result<Vec<Op>> {
    // SAFETY: the caller promises it.
    let keys = unsafe { array(keys, count, BATCH_OPERATIONS_MAX) }?;
    // SAFETY: as above.
    let op = |(index, key): (usize, &litestash_key)| Op::new(unsafe { key.view() }?, action(index)?);
    keys.iter().enumerate().map(op).collect()
}

/// The values of `count` keys, in their order: `values` has room for `count`, each to be given back with
/// litestash_buffer_free, or all with litestash_buffers_free. Keys of one shard are seen in one committed state. Any
/// error fails the whole call, and then there are no values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_get_many(
    stash: litestash_stash,
    keys: *const litestash_key,
    count: usize,
    values: *mut litestash_buffer,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let ops = each(keys, count, |_| Ok(Action::Get))?;
        let outs = Outs::new(values, count)?;
        let memory = |outcome| match outcome? {
            Outcome::Value(value) => value.as_deref().map(Memory::copy).transpose(),
            _ => Err(unexpected()),
        };
        let found = stash.apply(&ops)?.into_iter().map(memory).collect::<Result<Vec<_>>>()?;
        outs.set(found.into_iter().map(|value| value.map_or(litestash_buffer::NONE, litestash_buffer::of)))
    })
}

/// Gives back `count` buffers, and empties them. NULL does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_buffers_free(buffers: *mut litestash_buffer, count: usize) {
    if buffers.is_null() || !buffers.is_aligned() || count > BATCH_OPERATIONS_MAX {
        return;
    }
    for index in 0..count {
        // SAFETY: the caller promises `count` buffers.
        unsafe { super::status::litestash_buffer_free(buffers.add(index)) };
    }
}

/// Stores `count` values under as many keys. All are checked before anything is written. Each shard's part is one
/// transaction; if one fails, its error is the answer and other shards' parts may have been written. `versions`,
/// which may be NULL, has room for `count`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_set_many(
    stash: litestash_stash,
    keys: *const litestash_key,
    values: *const litestash_bytes,
    count: usize,
    versions: *mut i64,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let values = array(values, count, BATCH_OPERATIONS_MAX)?;
        let set = |index: usize| {
            let encoded = values[index].value()?.to_vec();
            Ok(Action::Set { encoded, options: SetOptions::default() })
        };
        let ops = each(keys, count, set)?;
        let outs = Outs::optional(versions, count)?;
        let version = |outcome| match outcome {
            Outcome::Version(Some(version)) => Ok(version.micros()),
            _ => Err(unexpected()),
        };
        outs.set(stash.apply_all(&ops)?.into_iter().map(version).collect::<Result<Vec<_>>>()?)
    })
}

/// Deletes `count` keys; atomic per shard, as litestash_set_many. `deleted`, which may be NULL, has room for `count`:
/// whether each was there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_delete_many(
    stash: litestash_stash,
    keys: *const litestash_key,
    count: usize,
    deleted: *mut bool,
) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let ops = each(keys, count, |_| Ok(Action::Delete))?;
        let outs = Outs::optional(deleted, count)?;
        outs.set(stash.apply_all(&ops)?.into_iter().map(|outcome| outcome == Outcome::Flag(true)))
    })
}

/// How many rows there are, expired ones left out. Costs a walk over the index of every table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn litestash_length(stash: litestash_stash, rows: *mut u64) -> litestash_status {
    entry!({
        let stash = stash.enter()?;
        let out = Out::new(rows)?;
        out.set(stash.len()?)
    })
}

/// Deletes every row, one transaction per shard. The files stay; litestash_compact gives their space back.
#[unsafe(no_mangle)]
pub extern "C" fn litestash_clear(stash: litestash_stash) -> litestash_status {
    catch(|| stash.enter()?.clear())
}
