//! SQLite's errors as the engine's.

use crate::error::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// The kind of a SQLite result code.
fn kind_of(code: ErrorCode) -> ErrorKind {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            ErrorKind::Busy
        }
        ErrorCode::DatabaseCorrupt => ErrorKind::Corrupt,
        ErrorCode::NotADatabase => ErrorKind::NotAStash,
        ErrorCode::DiskFull => ErrorKind::DiskFull,
        ErrorCode::ReadOnly => ErrorKind::ReadOnly,
        ErrorCode::PermissionDenied => ErrorKind::PermissionDenied,
        ErrorCode::OutOfMemory => ErrorKind::OutOfMemory,
        ErrorCode::TooBig => ErrorKind::TooLarge,
        ErrorCode::OperationInterrupted | ErrorCode::OperationAborted => ErrorKind::Cancelled,
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport => ErrorKind::Io,
        _ => ErrorKind::Internal,
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => kind_of(failure.code),
            // STRICT tables give the columns their types; anything else is damage.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => ErrorKind::Corrupt,
            _ => ErrorKind::Internal,
        };
        // SQLite's messages can quote SQL, never bound values. What failed on the disk is in the extended code
        // (<https://www.sqlite.org/rescode.html>).
        let message = match &error {
            rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::SystemIoFailure => {
                format!("SQLite: {error} ({})", failure.extended_code)
            }
            _ => format!("SQLite: {error}"),
        };
        Self::new(kind, message).with_source(error)
    }
}
