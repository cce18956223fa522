//! The sync log: where commits to several shards become durable by one sync (`docs/CONTRACT.md` 16,
//! `docs/adr/0042-sync-log.md`).
//!
//! A sync costs the disk and the processor as much for one shard's log as for a file that has the commits of
//! sixteen. So while a sync is under way, shards that commit leave what they change; a thread writes all of it
//! to one file, syncs that, and tells them. Their own logs, which have the same commits, are synced
//! a moment later in the background. After a power cut in between whoever opens the stash does the changes
//! again that a shard has lost.
//!
//! A commit that meets no other is synced where it is, and the file is not made.

mod leftover;
#[cfg_attr(
    not(all(target_os = "linux", target_pointer_width = "64")),
    allow(dead_code, reason = "records are only written on Linux")
)]
mod record;
#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod elsewhere;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod gathering;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod group;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod ring;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) use elsewhere::SyncLog;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) use group::{SyncLog, make_durable};
pub(crate) use leftover::Leftovers;
pub(crate) use record::BYTES_MAX;
#[cfg(test)]
use record::Record;

use crate::error::Result;
use std::fs::File;
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};

/// Files that a directory has at once, at most: of so many processes that write to it.
const FILES_MAX: usize = 16;

/// The path of a sync log of the stash in that directory.
fn path(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("sync-{number}.log"))
}

/// Makes the log of a shard's file durable. One that is not there was moved into the file, which was synced.
///
/// SQLite keeps no POSIX lock on a log (its locks are on the database and the `-shm`), so this one of the three may be
/// opened and closed by hand.
pub(crate) fn sync_log_of(shard: &Path) -> Result<()> {
    let mut log = shard.as_os_str().to_owned();
    log.push("-wal");
    match File::open(&log).and_then(|log| log.sync_data()) {
        Err(error) if error.kind() != Io::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether the file still has that name.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let of = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match path.symlink_metadata() {
        Err(error) if error.kind() == Io::NotFound => Ok(false),
        found => Ok(of(found?) == of(file.metadata()?)),
    }
}

/// Elsewhere an open file keeps its name.
#[cfg(not(unix))]
fn is_named(_file: &File, _path: &Path) -> Result<bool> {
    Ok(true)
}
