//! The one error type and the one table of error kinds.
//!
//! A kind exists only where a caller would act differently. Numbers and names are stable: bindings, the
//! command line and the sidecar pass them on. Numbers are never reused.

use std::borrow::Cow;
use std::fmt;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same call gives the same error.
    Never,
    /// The same call may succeed later, with nothing changed.
    Later,
    /// The outcome is unknown: read the key again before deciding.
    AfterReading,
    /// The same call succeeds once the surroundings were mended (space freed, permission
    /// given, a process stopped).
    AfterRepair,
}

impl Retry {
    /// The stable name: `never`, `later`, `after_reading` or `after_repair`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Later => "later",
            Self::AfterReading => "after_reading",
            Self::AfterRepair => "after_repair",
        }
    }
}

macro_rules! error_table {
    ($($(#[doc = $doc:literal])+ $kind:ident = $number:literal, $retry:ident;)+) => {
        /// The kind of an [`Error`]: the part a program decides by. The error table is `docs/ERRORS.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorKind {
            $($(#[doc = $doc])+ $kind = $number,)+
        }

        impl ErrorKind {
            /// Every kind, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The stable name, the same in every language.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)+ }
            }

            /// What a caller can do.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$kind => Retry::$retry,)+ }
            }

            /// The meaning, as in the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$kind => concat!($($doc),+),)+ }
            }
        }
    };
}

error_table! {
    /// A defect in LiteStash itself, or a panic that was caught.
    Internal = 1, Never;
    /// The key is of no allowed type, NaN, out of the integer range, or text that is not valid Unicode.
    InvalidKey = 2, Never;
    /// The value cannot be represented, or bytes given as an encoded value are not canonical.
    InvalidValue = 3, Never;
    /// A key, value, depth, count or batch is over its limit.
    TooLarge = 4, Never;
    /// The stored value has another type than the operation or the caller's type needs.
    TypeMismatch = 5, Never;
    /// A number left its range: an increment past i64, or a float that became infinite. The row is unchanged.
    Overflow = 6, Never;
    /// An option, cursor or argument has no meaning.
    InvalidArgument = 7, Never;
    /// The stash was opened read-only, or its directory or file system does not allow writing.
    ReadOnly = 8, AfterRepair;
    /// The handle was closed.
    Closed = 9, Never;
    /// The handle was opened in a parent process before fork(); open the stash again in this process.
    Forked = 10, Never;
    /// Another process or thread held the shard for longer than the busy time-out. Nothing was written.
    Busy = 11, Later;
    /// The commit failed and its outcome is unknown: the write may or may not be there after a restart.
    Indeterminate = 12, AfterReading;
    /// A shard file or a record is damaged. Damaged data is never returned; other shards stay usable.
    Corrupt = 13, AfterRepair;
    /// The file is not a LiteStash shard: foreign SQLite database, other schema, renamed
    /// shard, or no database.
    NotAStash = 14, Never;
    /// The file or record was written by a newer format, or needs a feature this build lacks.
    UnsupportedFormat = 15, Never;
    /// No space is left on the device. Nothing was written.
    DiskFull = 16, AfterRepair;
    /// The operating system denied access.
    PermissionDenied = 17, AfterRepair;
    /// The operating system reported another input or output error.
    Io = 18, AfterRepair;
    /// The directory is on a network or pass-through file system, where SQLite's locks and
    /// shared memory are not safe.
    NetworkFileSystem = 19, Never;
    /// There is no stash at that place and the options forbid creating one.
    NoStash = 20, AfterRepair;
    /// Memory ran out.
    OutOfMemory = 21, Later;
    /// The SQLite linked into this program is older than 3.51.3 and may lose commits.
    SqliteTooOld = 22, Never;
    /// The computation given to get_or_set failed; nothing was stored.
    ComputeFailed = 23, Never;
    /// The caller stopped the operation, or a callback asked for it.
    Cancelled = 24, Later;
    /// The stash is encrypted and no key or the wrong one was given, or a key was given for a
    /// stash that is not encrypted.
    WrongKey = 25, Never;
    /// The write would take the stash beyond its limits, and nothing is evicted to make room; or the value is too
    /// large to fit at all. Nothing was written.
    LimitReached = 26, AfterRepair;
}

impl ErrorKind {
    /// The stable number.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The kind with that number, if there is one.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error of every operation: a [kind](ErrorKind), a text for people and, where there is one, the cause.
///
/// Texts may change between versions and never contain a key or a value; decide by [`Error::kind`].
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of every operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of that kind with a text.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with `context: ` before its text.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message).into();
        self
    }

    /// The kind, to decide by.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The text, without the kind's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What a caller can do; the same as `self.kind().retry()`.
    pub fn retry(&self) -> Retry {
        self.kind.retry()
    }

    /// Whether SQLite itself failed, rather than the operation on a sound database.
    pub(crate) fn is_from_sqlite(&self) -> bool {
        std::error::Error::source(self).is_some_and(|source| source.is::<rusqlite::Error>())
    }

    /// A copy without the cause, for handing one failure to several callers.
    pub(crate) fn duplicate(&self) -> Self {
        Self { kind: self.kind, message: self.message.clone(), source: None }
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the stash is closed")
    }

    pub(crate) fn corrupt(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn invalid_value(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidValue, message)
    }

    pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::PermissionDenied => ErrorKind::PermissionDenied,
            Io::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            Io::StorageFull | Io::QuotaExceeded => ErrorKind::DiskFull,
            Io::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Io,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_ascending() {
        for pair in ErrorKind::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number());
            assert_ne!(pair[0].name(), pair[1].name());
        }
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!(ErrorKind::from_number(0), None);
    }

    #[test]
    fn text_carries_kind_and_message() {
        let error = Error::corrupt("checksum differs").context("shard 3");
        assert_eq!(error.to_string(), "Corrupt: shard 3: checksum differs");
        assert_eq!(error.retry(), Retry::AfterRepair);
    }
}
