//! Keeping a bucket's directory under its name while its files are opened or closed.
//!
//! SQLite opens and deletes a log by the name that its database had when it was opened. A directory that is
//! renamed in that moment, with another one made under its name, would bring a database together with the log of
//! another. So whoever opens or closes files of a bucket holds the names of the buckets, and whoever renames a
//! bucket's directory holds them alone: a lock (`flock(2)`) on the directory `buckets`. It is held for less than
//! a millisecond, and never while waiting for one of SQLite's locks.

use super::retry::while_busy;
use crate::error::Result;
use std::path::Path;
use std::time::Duration;

/// The names of a stash's buckets, held until this is dropped.
pub(crate) struct Names(#[cfg(unix)] std::fs::File);

impl Names {
    /// Nobody renames a bucket until this is dropped. Others can hold the same. `None` if there is no bucket.
    pub(crate) fn hold(buckets: &Path, timeout: Duration) -> Result<Option<Self>> {
        Self::lock(buckets, timeout, false)
    }

    /// Nobody else holds any bucket's name until this is dropped. `None` if there is no bucket.
    pub(crate) fn hold_alone(buckets: &Path, timeout: Duration) -> Result<Option<Self>> {
        Self::lock(buckets, timeout, true)
    }

    #[cfg(unix)]
    fn lock(buckets: &Path, timeout: Duration, alone: bool) -> Result<Option<Self>> {
        use crate::error::{Error, ErrorKind};
        use rustix::fs::{FlockOperation, flock};
        let directory = match std::fs::File::open(buckets) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| Error::from(error).context("the directory of the buckets"))?,
        };
        let operation = if alone {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        while_busy(timeout, || match flock(&directory, operation) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(Error::new(ErrorKind::Busy, "the names of the buckets are held by others"))
            }
            other => other.map_err(|errno| Error::from(std::io::Error::from(errno))),
        })?;
        Ok(Some(Self(directory)))
    }

    /// Elsewhere a directory with open files cannot be renamed.
    #[cfg(not(unix))]
    fn lock(_buckets: &Path, _timeout: Duration, _alone: bool) -> Result<Option<Self>> {
        Ok(Some(Self()))
    }
}

#[cfg(unix)]
impl Drop for Names {
    fn drop(&mut self) {
        // Not left to the descriptor's end: a child forked in this moment has it too.
        if let Err(errno) = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock) {
            tracing::warn!(%errno, "the names of the buckets could not be let go");
        }
    }
}
