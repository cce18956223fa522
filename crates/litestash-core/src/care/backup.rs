//! A copy of all shards as of one moment, and of each bucket's as of one, while writers go on.

use super::verify::asked;
use crate::contract::bucket::{BUCKETS, directory_name};
use crate::contract::route::ShardId;
use crate::error::{Error, ErrorKind, Result};
use crate::stash::{Inner, LiteStash};
use crate::storage::connect::{Wanted, connect};
use crate::storage::connection::Access;
use crate::storage::database::Database;
use crate::storage::directory::{self, Directory};
use crate::storage::keyring;
use crate::storage::shard::Settings;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::Serialize;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pages copied in one step.
const STEP_PAGES: i32 = 4096;

/// What [`LiteStash::backup`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// Shard files written.
    pub shards: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl LiteStash {
    /// Copies the stash into a new directory, all shards as of one moment, and then its buckets, all shards of a
    /// bucket as of one moment. The copy is a stash.
    ///
    /// For an instant every shard is locked against writers; then they go on, and the copying reads from that
    /// moment's state. The copy is written beside `destination`, synced, and renamed, so `destination`
    /// appears whole or not at all. It must not exist, or be an empty directory (`InvalidArgument`). A stash
    /// opened read-only cannot lock others out: `ReadOnly`, unless it is immutable. Of an encrypted stash the
    /// keyring is copied too, and a bucket of one only together with it (`InvalidArgument`).
    pub fn backup(&self, destination: impl AsRef<Path>) -> Result<BackupReport> {
        self.backup_while(destination, || true)
    }

    /// [`LiteStash::backup`] for as long as `goes_on` says so, which is asked every 16 MiB; then it is
    /// `Cancelled`, and nothing is left at the destination.
    pub fn backup_while(
        &self,
        destination: impl AsRef<Path>,
        goes_on: impl Fn() -> bool,
    ) -> Result<BackupReport> {
        self.inner.usable()?;
        if self.is_bucket() && self.is_encrypted() {
            return Err(Error::invalid_argument(
                "the copy of an encrypted bucket would have no keyring; back up the stash that it is in",
            ));
        }
        let destination = std::path::absolute(destination)?;
        refuse_occupied(&destination)?;
        let partial = partial_path(&destination)?;
        directory::make(&partial)?;
        let written = self.copy_into(&partial, &goes_on).and_then(|report| {
            sync_directory(&partial)?;
            std::fs::rename(&partial, &destination)?;
            if let Some(parent) = destination.parent() {
                sync_directory(parent)?;
            }
            Ok(report)
        });
        if written.is_err() {
            // What stopped the backup is the error to report.
            let _ = std::fs::remove_dir_all(&partial);
        }
        written
    }

    fn copy_into(&self, partial: &Path, goes_on: &dyn Fn() -> bool) -> Result<BackupReport> {
        let Some(keyring) = &self.inner.keyring else { return self.copy_all(partial, goes_on) };
        loop {
            // A rotation of the key adds one before it is used, and drops one after it was. So a keyring that did
            // not change has the keys of all rows copied meanwhile.
            let before = keyring.bytes()?;
            let report = self.copy_all(partial, goes_on)?;
            if keyring.bytes()? == before {
                keyring::write_copy(partial, &before)?;
                return Ok(report);
            }
            std::fs::remove_dir_all(partial)?;
            directory::make(partial)?;
        }
    }

    fn copy_all(&self, partial: &Path, goes_on: &dyn Fn() -> bool) -> Result<BackupReport> {
        let mut report = BackupReport::default();
        self.copy_shards(partial, &mut report, goes_on)?;
        let buckets = partial.join(BUCKETS);
        self.for_each_bucket(|name, bucket| {
            let target = buckets.join(directory_name(name)?);
            directory::make(&target)?;
            bucket.copy_shards(&target, &mut report, goes_on)?;
            sync_directory(&target)
        })?;
        if buckets.is_dir() {
            sync_directory(&buckets)?;
        }
        Ok(report)
    }

    fn copy_shards(
        &self,
        partial: &Path,
        report: &mut BackupReport,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut copy = |shard: ShardId, source: &Connection| {
            let target = partial.join(shard.file_name());
            copy_shard(source, &target, goes_on)?;
            report.shards += 1;
            report.bytes += target.metadata()?.len();
            Ok(())
        };
        if self.path().is_none() {
            for shard in self.inner.shards() {
                shard.with_writer(|source| copy(shard.id(), source))?;
            }
        } else {
            for shard in self.inner.shards() {
                shard.flush()?;
            }
            for (shard, source) in pin_all(&self.inner)? {
                copy(shard, source.connection())
                    .map_err(|error| error.context(format_args!("copying shard {shard}")))?;
            }
        }
        Ok(())
    }
}

/// Refuses a destination that is not new.
pub(super) fn refuse_occupied(destination: &Path) -> Result<()> {
    match std::fs::read_dir(destination) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::from(error).context("the destination")),
        Ok(entries) => match entries.count() {
            0 => Ok(()),
            _ => Err(Error::invalid_argument("the destination exists and is not empty")),
        },
    }
}

fn partial_path(destination: &Path) -> Result<PathBuf> {
    let name =
        destination.file_name().ok_or_else(|| Error::invalid_argument("the destination has no name"))?;
    let mut partial = name.to_owned();
    partial.push(format!(".partial-{}", std::process::id()));
    Ok(destination.with_file_name(partial))
}

fn sync_directory(directory: &Path) -> Result<()> {
    Ok(File::open(directory)?.sync_all()?)
}

/// One connection per shard, each inside a read transaction, together showing one moment.
fn pin_all(inner: &Inner) -> Result<Vec<(ShardId, Database)>> {
    let settings = &*inner.settings;
    match settings.read_access {
        Access::Immutable => pin(settings, &existing(settings)?),
        Access::ReadOnly => Err(Error::new(
            ErrorKind::ReadOnly,
            "a backup locks the shards for an instant; open the stash for writing, or as immutable if nobody writes",
        )),
        Access::Read | Access::Write => {
            let deadline = Instant::now() + settings.busy_timeout;
            loop {
                inner.finish_transactions()?;
                let shards = existing(settings)?;
                let locks = lock(settings, &shards)?;
                // A process may have died since in the middle of a transaction. Now nobody is in one.
                if inner.has_unfinished_transactions()? {
                    drop(locks);
                    continue;
                }
                // A shard that another process created since the list was made could hold a write
                // that came before one in a locked shard; so the list must still be complete now
                // that nobody else can write.
                if locks.is_some() && existing(settings)? == shards {
                    return pin(settings, &shards);
                }
                if Instant::now() >= deadline {
                    return Err(Error::new(ErrorKind::Busy, "new shards kept appearing"));
                }
            }
        }
    }
}

fn open(settings: &Settings, shard: ShardId, access: Access) -> Result<Option<Database>> {
    let Some(directory) = &settings.directory else { return Ok(None) };
    let stash = settings.format.stash_id();
    connect(directory, Wanted::existing(shard, stash, access, settings.busy_timeout), |_, _| Ok(()))
}

fn existing(settings: &Settings) -> Result<Vec<ShardId>> {
    settings.directory.as_ref().map_or(Ok(Vec::new()), Directory::existing)
}

/// Holds the write lock of each shard, taken in ascending order; dropping the
/// connections rolls back and lets go. `None` if it is that of a bucket which was dropped meanwhile.
fn lock(settings: &Settings, shards: &[ShardId]) -> Result<Option<Vec<Database>>> {
    let mut locks = Vec::with_capacity(shards.len());
    for shard in shards {
        let locked = crate::storage::while_busy(settings.busy_timeout, || {
            let database = open(settings, *shard, Access::Write)?;
            if let Some(database) = &database {
                database.connection().execute_batch("BEGIN IMMEDIATE")?;
            }
            Ok(database)
        })?;
        let Some(mut locked) = locked else { return Ok(None) };
        if locked.is_dropped()? {
            return Ok(None);
        }
        locks.push(locked);
    }
    Ok(Some(locks))
}

fn pin(settings: &Settings, shards: &[ShardId]) -> Result<Vec<(ShardId, Database)>> {
    let access = settings.read_access;
    let mut pinned = Vec::with_capacity(shards.len());
    for shard in shards {
        let opened = crate::storage::while_busy(settings.busy_timeout, || {
            let database = open(settings, *shard, access)?;
            if let Some(database) = &database {
                // BEGIN alone pins nothing; the first read does.
                database.connection().execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
            }
            Ok(database)
        })?;
        pinned.extend(opened.map(|database| (*shard, database)));
    }
    Ok(pinned)
}

fn copy_shard(source: &Connection, target: &Path, goes_on: &dyn Fn() -> bool) -> Result<()> {
    directory::create_shard_file(target)?;
    let mut copy = Connection::open(target)?;
    {
        let backup = Backup::new(source, &mut copy)?;
        loop {
            asked(goes_on)?;
            match backup.step(STEP_PAGES)? {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
    copy.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    copy.close().map_err(|(_, error)| Error::from(error))?;
    // Nobody else has this new file open, so it may be opened by hand.
    Ok(File::open(target)?.sync_all()?)
}
