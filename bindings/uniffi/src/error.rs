//! The core's table of errors as an enum that languages raise.

use litestash_core::{Error, ErrorKind, Retry};

/// What can be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum RetryHint {
    /// The same call gives the same error.
    Never,
    /// The same call may succeed later, with nothing changed.
    Later,
    /// The outcome is unknown: read the key again before deciding.
    AfterReading,
    /// The same call succeeds once the surroundings were mended.
    AfterRepair,
}

impl From<Retry> for RetryHint {
    fn from(retry: Retry) -> Self {
        match retry {
            Retry::Never => Self::Never,
            Retry::Later => Self::Later,
            Retry::AfterReading => Self::AfterReading,
            Retry::AfterRepair => Self::AfterRepair,
        }
    }
}

/// What an error is, in the terms of the table that all languages share.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Failure {
    /// The stable number.
    pub number: u16,
    /// The stable name, the same in every language.
    pub name: String,
    /// What can be done.
    pub retry: RetryHint,
    /// What happened, for people. It may change, and never holds a key or a value.
    pub detail: String,
}

macro_rules! error_enum {
    ($($(#[doc = $doc:literal])+ $kind:ident,)+) => {
        /// The error of every operation. `failure` gives its number, name and hint.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
        pub enum StashError {
            $(
                $(#[doc = $doc])+
                #[error("{}: {detail}", stringify!($kind))]
                $kind {
                    /// What happened, for people.
                    detail: String,
                },
            )+
        }

        impl StashError {
            /// The kind, and the text for people.
            pub(crate) fn parts(&self) -> (ErrorKind, &str) {
                match self { $(Self::$kind { detail } => (ErrorKind::$kind, detail),)+ }
            }

            fn new(kind: ErrorKind, detail: String) -> Self {
                match kind {
                    $(ErrorKind::$kind => Self::$kind { detail },)+
                    _ => Self::Internal { detail: format!("{}: {detail}", kind.name()) },
                }
            }
        }
    };
}

error_enum! {
    /// A defect in LiteStash itself, or a panic that was caught.
    Internal,
    /// The key is of no allowed type, NaN, out of the integer range, or text that is not valid Unicode.
    InvalidKey,
    /// The value cannot be represented, or bytes given as an encoded value are not canonical.
    InvalidValue,
    /// A key, value, depth, count or batch is over its limit.
    TooLarge,
    /// The stored value has another type than the operation or the caller's type needs.
    TypeMismatch,
    /// A number left its range: an increment past 64 bits, or a float that became infinite. The row is
    /// unchanged.
    Overflow,
    /// An option, cursor or argument has no meaning.
    InvalidArgument,
    /// The stash was opened read-only, or its directory or file system does not allow writing.
    ReadOnly,
    /// The handle was closed.
    Closed,
    /// The handle was opened in a parent process before fork(); open the stash again in this process.
    Forked,
    /// Another process or thread held the shard for longer than the busy time-out. Nothing was written.
    Busy,
    /// The commit failed and its outcome is unknown: the write may or may not be there after a restart.
    Indeterminate,
    /// A shard file or a record is damaged. Damaged data is never returned; other shards stay usable.
    Corrupt,
    /// The file is not a LiteStash shard: foreign SQLite database, other schema, renamed shard, or no
    /// database.
    NotAStash,
    /// The file or record was written by a newer format, or needs a feature this build lacks.
    UnsupportedFormat,
    /// No space is left on the device. Nothing was written.
    DiskFull,
    /// The operating system denied access.
    PermissionDenied,
    /// The operating system reported another input or output error.
    Io,
    /// The directory is on a network or pass-through file system, where locks and shared memory are not safe.
    NetworkFileSystem,
    /// There is no stash at that place and the options forbid creating one.
    NoStash,
    /// Memory ran out.
    OutOfMemory,
    /// The SQLite linked into this program is too old and may lose commits.
    SqliteTooOld,
    /// The computation given to get-or-set failed; nothing was stored.
    ComputeFailed,
    /// The caller stopped the operation, or a callback asked for it.
    Cancelled,
    /// The stash is encrypted and no key or the wrong one was given, or a key was given for one that is not
    /// encrypted.
    WrongKey,
    /// The write would take the stash beyond its limits, and nothing is evicted to make room. Nothing was
    /// written.
    LimitReached,
}

impl From<Error> for StashError {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error.message().to_owned())
    }
}

impl From<StashError> for Error {
    fn from(error: StashError) -> Self {
        let (kind, detail) = error.parts();
        Self::new(kind, detail.to_owned())
    }
}

/// A callback that raised something that is none of these. Its text may hold a whole stack trace, and
/// secrets.
impl From<uniffi::UnexpectedUniFFICallbackError> for StashError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::ComputeFailed { detail: "the callback failed with an error that is no StashError".to_owned() }
    }
}

pub(crate) type Result<T> = std::result::Result<T, StashError>;

pub(crate) fn invalid(detail: impl Into<String>) -> StashError {
    StashError::InvalidArgument { detail: detail.into() }
}

/// The number, name and hint of an error.
#[uniffi::export]
pub fn failure(error: StashError) -> Failure {
    let (kind, detail) = error.parts();
    Failure {
        number: kind.number(),
        name: kind.name().to_owned(),
        retry: kind.retry().into(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_core_is_in_the_enum() {
        for kind in ErrorKind::ALL {
            let failure = failure(Error::new(*kind, "why").into());
            let wanted = (kind.number(), kind.name(), RetryHint::from(kind.retry()), "why");
            assert_eq!(
                (failure.number, failure.name.as_str(), failure.retry, failure.detail.as_str()),
                wanted
            );
        }
    }

    #[test]
    fn an_error_keeps_its_kind_on_the_way_through_a_callback() {
        let error = Error::from(StashError::from(Error::new(ErrorKind::Busy, "held")));
        assert_eq!((error.kind(), error.message()), (ErrorKind::Busy, "held"));
    }
}
