//! Dropping a bucket that others may be using (`docs/CONTRACT.md` 1 and 9).
//!
//! Everybody who writes a shard looks for its marks after another's commit, so the mark `dropped` in every shard
//! reaches them all; a reader finds its rows gone and looks as well. Both then open what has the bucket's name.

use super::connection::{self, Access};
use super::database::{Database, Hot};
use super::directory::{Directory, exists};
use super::names::Names;
use super::retry::while_busy;
use super::sql;
use crate::contract::format::StashId;
use crate::contract::route::{ShardId, Slot};
use crate::error::{Error, ErrorKind, Result};
use std::io::ErrorKind as Io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How the directory of a dropped bucket is called until it is removed. No bucket's directory is called so.
const DROPPED: &str = ".dropped-";

/// Drops the bucket in that directory, or finishes what another has begun. Returns whether there was one.
///
/// `syncs`: it stays dropped after a power cut. Errors: `Busy` if a shard cannot be locked in time; after an
/// error of a commit or of the renaming the bucket is dropped when it is next opened.
pub(crate) fn drop_bucket(
    bucket: &Directory,
    stash: Option<&StashId>,
    syncs: bool,
    timeout: Duration,
) -> Result<bool> {
    let Some(buckets) = bucket.buckets() else {
        return Err(Error::new(ErrorKind::Internal, "only a bucket can be dropped"));
    };
    let deadline = Instant::now() + timeout;
    loop {
        if !exists(bucket.path())? {
            return Ok(false);
        }
        let shards = bucket.existing()?;
        let mut locked = Vec::with_capacity(shards.len());
        for shard in &shards {
            locked.extend(lock(bucket, stash, *shard, syncs, timeout)?);
        }
        for shard in &locked {
            empty(shard)?;
        }
        let Some(names) = Names::hold_alone(buckets, timeout)? else { return Ok(false) };
        // Nobody opens or makes a file of the bucket now. One that was made meanwhile would not be marked, and
        // another may have dropped the bucket first and made it anew.
        let are_all = locked.len() == shards.len() && !locked.iter().any(Database::has_moved);
        if are_all && exists(bucket.path())? && bucket.existing()? == shards {
            for shard in &mut locked {
                shard.run(Hot::Commit)?;
            }
            let away = rename_away(bucket.path(), buckets)?;
            if syncs {
                std::fs::File::open(buckets)?.sync_all()?;
            }
            drop(names);
            drop(locked);
            remove(&away);
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Err(Error::new(ErrorKind::Busy, "new shards of the bucket kept appearing"));
        }
    }
}

/// The write lock of a shard; dropping the connection rolls back and lets go. `None` if it has gone.
fn lock(
    bucket: &Directory,
    stash: Option<&StashId>,
    shard: ShardId,
    syncs: bool,
    timeout: Duration,
) -> Result<Option<Database>> {
    let Some(buckets) = bucket.buckets() else { return Ok(None) };
    let path = bucket.shard_path(shard);
    let opened = while_busy(timeout, || {
        let Some(_names) = Names::hold(buckets, timeout)? else { return Ok(None) };
        if !exists(&path)? {
            return Ok(None);
        }
        let mut database = connection::open(&path, shard, stash, Access::Write)?;
        if let Some(database) = &mut database {
            database.set_bucket(buckets);
        }
        Ok(database)
    })?;
    let Some(mut database) = opened else { return Ok(None) };
    connection::set_synchronous(database.connection(), syncs)?;
    database.in_turn(timeout, |database| database.run(Hot::Begin))?;
    Ok(Some(database))
}

/// Deletes every row and sets the mark. Readers that do not know of marks find nothing.
fn empty(shard: &Database) -> Result<()> {
    let connection = shard.connection();
    for slot in Slot::all() {
        connection.execute(sql::CLEAR[slot.index()], [])?;
    }
    connection.execute(sql::EXPIRY_CLEAR, [])?;
    connection.execute(sql::META_MARK_DROPPED, [])?;
    Ok(())
}

/// Gives the directory a name of its own that stands for nothing.
fn rename_away(directory: &Path, buckets: &Path) -> Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let away = buckets.join(format!("{DROPPED}{}-{number}", std::process::id()));
        match std::fs::rename(directory, &away) {
            // Left by an earlier process of that number.
            Err(error) if matches!(error.kind(), Io::AlreadyExists | Io::DirectoryNotEmpty) => {}
            Err(error) => return Err(Error::from(error).context("dropping a bucket")),
            Ok(()) => return Ok(away),
        }
    }
}

fn remove(directory: &Path) {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != Io::NotFound => {
            tracing::warn!(%error, "what is left of a dropped bucket is removed by the next drop");
        }
        _ => {}
    }
}

/// Removes what dropped buckets have left, where a process died too early.
pub(crate) fn remove_leftovers(buckets: &Path) {
    let Ok(entries) = std::fs::read_dir(buckets) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(DROPPED.as_bytes()) {
            remove(&entry.path());
        }
    }
}
