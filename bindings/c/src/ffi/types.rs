//! The types of the header.

use super::invalid;
use super::pointer::{array, text};
use crate::buffer::Memory;
use crate::builder::Builder;
use crate::handle::{BUILDERS, ITERATIONS, Iteration, LISTENERS, Listener, STASHES, Single, StashGuard};
use crate::table::Guard;
use litestash_core::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use litestash_core::{Condition, Deadline, ErrorKind, KeyRef, Result, SetOptions, Version};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// What a call answers: LITESTASH_OK or the number of an error.
pub type litestash_status = i32;

/// A stash. The handle is a number with a check, to be passed by value; all zero is no stash. Any thread may use it,
/// also several at once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_stash {
    /// Not to be looked at.
    pub id: u64,
}

/// An iteration over keys or items. One thread at a time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_iterator {
    /// Not to be looked at.
    pub id: u64,
}

/// A value that is being built. One thread at a time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_builder {
    /// Not to be looked at.
    pub id: u64,
}

/// A function that hears of events. Any thread may use the handle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_subscription {
    /// Not to be looked at.
    pub id: u64,
}

/// Bytes that the library gives away: give them back with litestash_buffer_free. One zero byte stands behind the
/// last and is not counted, so that text can be printed. No bytes at all (a miss): data is NULL, length 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_buffer {
    /// The first byte, or NULL.
    pub data: *mut u8,
    /// How many.
    pub length: usize,
}

/// Bytes that stay the caller's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_bytes {
    /// The first byte; may be NULL if there are none.
    pub data: *const u8,
    /// How many.
    pub length: usize,
}

/// A key: text. `content.data` and `length` are UTF-8, without a zero byte at the end.
pub const LITESTASH_KEY_TEXT: u32 = 1;
/// A key: bytes. `content.data` and `length`.
pub const LITESTASH_KEY_BYTES: u32 = 2;
/// A key: an integer. `content.integer`.
pub const LITESTASH_KEY_INTEGER: u32 = 3;
/// A key: a float. `content.number`. An integral one is the integer key; NaN is refused.
pub const LITESTASH_KEY_FLOAT: u32 = 4;

/// What a key holds, by its type.
#[repr(C)]
#[derive(Clone, Copy)]
pub union litestash_key_content {
    /// Of text and bytes.
    pub data: *const c_void,
    /// Of an integer.
    pub integer: i64,
    /// Of a float.
    pub number: f64,
}

/// A key, to be passed by value. Make it with litestash_key_text, litestash_key_string, litestash_key_bytes,
/// litestash_key_integer or litestash_key_float; what it points at must stay until the call returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_key {
    /// What it holds.
    pub content: litestash_key_content,
    /// Bytes of text and bytes, at most LITESTASH_KEY_BYTES_MAX.
    pub length: u32,
    /// LITESTASH_KEY_TEXT, LITESTASH_KEY_BYTES, LITESTASH_KEY_INTEGER or LITESTASH_KEY_FLOAT.
    pub kind: u32,
}

/// Nothing is said: a row that is made has the stash's default time to live, or stays if there is none.
pub const LITESTASH_DEADLINE_NONE: u32 = 0;
/// The deadline is `us` microseconds after the write, at least 1.
pub const LITESTASH_DEADLINE_IN: u32 = 1;
/// The deadline is the Unix time `us` in microseconds. One that has passed makes the row expired at once.
pub const LITESTASH_DEADLINE_AT: u32 = 2;
/// The deadline slides: it is `us` microseconds, at least 1, after the last use of the row. Each get, write and touch
/// begins the time anew. (Gets are noted and written in the background, and only once an eighth of the time has
/// passed, so a row ends between seven eighths of it and all of it after its last use.)
pub const LITESTASH_DEADLINE_IDLE: u32 = 3;
/// The row stays until it is deleted, also where the stash has a default time to live.
pub const LITESTASH_DEADLINE_NEVER: u32 = 4;

/// When a row ends. All zero: nothing is said. litestash_deadline_in, litestash_deadline_at, litestash_deadline_idle
/// and litestash_deadline_never make one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_deadline {
    /// Microseconds, by the kind.
    pub us: i64,
    /// LITESTASH_DEADLINE_NONE and so on.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
}

/// Store in any case.
pub const LITESTASH_IF_ANY: u32 = 0;
/// Store if the key is missing or expired.
pub const LITESTASH_IF_ABSENT: u32 = 1;
/// Store if the key is there.
pub const LITESTASH_IF_PRESENT: u32 = 2;
/// Store if the key is there and has the version `version`.
pub const LITESTASH_IF_VERSION: u32 = 3;

/// How a value is stored. All zero, or NULL instead: in any case, with the stash's default time to live if it has one.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_set_options {
    /// When the row ends.
    pub deadline: litestash_deadline,
    /// The version that LITESTASH_IF_VERSION asks for.
    pub version: i64,
    /// LITESTASH_IF_ANY, LITESTASH_IF_ABSENT, LITESTASH_IF_PRESENT or LITESTASH_IF_VERSION.
    pub condition: u32,
    /// Not 0: keep the deadline that the row has now. Not together with a deadline.
    pub keep_ttl: u32,
    /// Zero.
    pub reserved: [u64; 2],
}

/// What a set did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_written {
    /// The row's new version, if it was stored: its time in microseconds, or one more than the version before.
    pub version: i64,
    /// Whether the condition held.
    pub stored: bool,
}

/// A row. Give `value` back with litestash_buffer_free.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct litestash_entry {
    /// The value's encoding; its length is the row's size.
    pub value: litestash_buffer,
    /// The row's version.
    pub version: i64,
    /// The deadline, Unix time in microseconds, if there is one.
    pub expires_at: i64,
    /// Microseconds after its last use that the row ends, if its deadline slides; else 0.
    pub idle_us: u64,
    /// Whether the key is there. If not, everything else is zero.
    pub present: bool,
    /// Whether it has a deadline.
    pub has_deadline: bool,
}

/// How long a key lives.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct litestash_lifetime {
    /// Microseconds, if there is a deadline: those left, or the Unix time of the deadline, by the call.
    pub us: i64,
    /// Whether the key is there.
    pub present: bool,
    /// Whether it has a deadline.
    pub has_deadline: bool,
}

impl litestash_stash {
    #[inline]
    pub(super) fn enter(self) -> Result<StashGuard> {
        STASHES.enter(self.id)
    }
}

impl litestash_subscription {
    pub(super) fn enter(self) -> Result<Guard<Listener, 1>> {
        LISTENERS.enter(self.id)
    }
}

impl litestash_iterator {
    pub(super) fn enter(self) -> Result<Guard<Single<Iteration>, 1>> {
        ITERATIONS.enter(self.id)
    }
}

impl litestash_builder {
    pub(super) fn enter(self) -> Result<Guard<Single<Builder>, 1>> {
        BUILDERS.enter(self.id)
    }
}

impl litestash_buffer {
    pub(super) const NONE: Self = Self { data: std::ptr::null_mut(), length: 0 };

    pub(super) fn of(memory: Memory) -> Self {
        let (data, length) = memory.into_parts();
        Self { data, length }
    }

    /// A copy of what may not be there.
    pub(super) fn copy(bytes: Option<&[u8]>) -> Result<Self> {
        Ok(bytes.map(Memory::copy).transpose()?.map_or(Self::NONE, Self::of))
    }
}

impl litestash_bytes {
    /// The bytes of a value.
    ///
    /// # Safety
    ///
    /// As [`array`].
    pub(super) unsafe fn value<'a>(self) -> Result<&'a [u8]> {
        // SAFETY: the caller promises it.
        unsafe { array(self.data, self.length, VALUE_BYTES_MAX) }
    }
}

impl litestash_key {
    /// The key, its text checked. What it holds beyond that is for the engine.
    ///
    /// # Safety
    ///
    /// The content is of the kind that it says, and as [`array`] asks.
    #[inline]
    pub(super) unsafe fn view<'a>(self) -> Result<KeyRef<'a>> {
        let length = self.length as usize;
        match self.kind {
            LITESTASH_KEY_TEXT => {
                // SAFETY: every content is 8 bytes of plain data, and the caller promises what it points at.
                let data = unsafe { self.content.data }.cast::<c_char>();
                // SAFETY: the caller promises it.
                unsafe { text(data, length, KEY_BYTES_MAX, ErrorKind::InvalidKey) }.map(KeyRef::Text)
            }
            LITESTASH_KEY_BYTES => {
                // SAFETY: as above.
                unsafe { array(self.content.data.cast::<u8>(), length, KEY_BYTES_MAX) }.map(KeyRef::Bytes)
            }
            // SAFETY: any 8 bytes are an integer.
            LITESTASH_KEY_INTEGER => Ok(KeyRef::Int(unsafe { self.content.integer })),
            // SAFETY: any 8 bytes are a float.
            LITESTASH_KEY_FLOAT => KeyRef::float(unsafe { self.content.number }),
            _ => Err(litestash_core::Error::new(ErrorKind::InvalidKey, "the key is of no known kind")),
        }
    }

    /// The key as C has it; valid as long as the given one.
    pub(super) fn of(key: KeyRef<'_>) -> Self {
        // A key of the engine is at most 2048 bytes long.
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let data = |bytes: &[u8]| litestash_key_content { data: bytes.as_ptr().cast() };
        let (kind, length, content) = match key {
            KeyRef::Text(text) => (LITESTASH_KEY_TEXT, length(text.as_bytes()), data(text.as_bytes())),
            KeyRef::Bytes(bytes) => (LITESTASH_KEY_BYTES, length(bytes), data(bytes)),
            KeyRef::Int(integer) => (LITESTASH_KEY_INTEGER, 0, litestash_key_content { integer }),
            KeyRef::Float(float) => (LITESTASH_KEY_FLOAT, 0, litestash_key_content { number: float.get() }),
        };
        Self { content, length, kind }
    }
}

impl litestash_deadline {
    pub(super) fn checked(self) -> Result<Option<Deadline>> {
        match self {
            Self { reserved: 1.., .. } => Err(invalid("a reserved field is not zero")),
            Self { kind: LITESTASH_DEADLINE_NONE, us: 0, .. } => Ok(None),
            Self { kind: LITESTASH_DEADLINE_AT, us, .. } => Ok(Some(Deadline::At(us))),
            Self { kind: LITESTASH_DEADLINE_NEVER, us: 0, .. } => Ok(Some(Deadline::Never)),
            Self { kind: kind @ (LITESTASH_DEADLINE_IN | LITESTASH_DEADLINE_IDLE), us, .. } => {
                let us = u64::try_from(us).map_err(|_| invalid("a time to live is negative"))?;
                let span = Duration::from_micros(us);
                let slides = kind == LITESTASH_DEADLINE_IDLE;
                Ok(Some(if slides { Deadline::Idle(span) } else { Deadline::In(span) }))
            }
            _ => Err(invalid("the deadline is of no known kind")),
        }
    }
}

impl litestash_set_options {
    pub(super) fn checked(self) -> Result<SetOptions> {
        if self.reserved != [0; 2] {
            return Err(invalid("a reserved field is not zero"));
        }
        let condition = self.condition()?;
        Ok(SetOptions { deadline: self.deadline.checked()?, keep_ttl: self.keep_ttl != 0, condition })
    }

    pub(super) fn condition(&self) -> Result<Condition> {
        match self.condition {
            LITESTASH_IF_ANY => Ok(Condition::Always),
            LITESTASH_IF_ABSENT => Ok(Condition::Absent),
            LITESTASH_IF_PRESENT => Ok(Condition::Present),
            LITESTASH_IF_VERSION => Ok(Condition::Version(Version::from_micros(self.version))),
            _ => Err(invalid("the condition is of no known kind")),
        }
    }
}

impl litestash_written {
    pub(super) fn of(version: Option<Version>) -> Self {
        Self { version: version.map_or(0, Version::micros), stored: version.is_some() }
    }
}

impl litestash_lifetime {
    pub(super) fn of(found: Option<Option<i64>>) -> Self {
        let us = found.flatten();
        Self { us: us.unwrap_or(0), present: found.is_some(), has_deadline: us.is_some() }
    }
}
