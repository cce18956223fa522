//! A copy of all shards as of one moment, while writers go on.

use crate::contract::route::ShardId;
use crate::error::{Error, ErrorKind, Result};
use crate::stash::LiteStash;
use crate::storage::connection::{self, Access};
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
    /// Copies the stash into a new directory, all shards as of one moment. The copy is a stash.
    ///
    /// For an instant every shard is locked against writers; then they go on, and the copying reads from that
    /// moment's state. The copy is written beside `destination`, synced, and renamed, so `destination`
    /// appears whole or not at all. It must not exist, or be an empty directory (`InvalidArgument`). A stash
    /// opened read-only cannot lock others out: `ReadOnly`, unless it is immutable.
    pub fn backup(&self, destination: impl AsRef<Path>) -> Result<BackupReport> {
        self.inner.usable()?;
        let destination = std::path::absolute(destination)?;
        refuse_occupied(&destination)?;
        let partial = partial_path(&destination)?;
        directory::make(&partial)?;
        let written = self.copy_into(&partial).and_then(|report| {
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

    fn copy_into(&self, partial: &Path) -> Result<BackupReport> {
        let mut report = BackupReport::default();
        let mut copy = |shard: ShardId, source: &Connection| {
            let target = partial.join(shard.file_name());
            copy_shard(source, &target)?;
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
            let (keyring, pinned) = self.pin_with_keyring()?;
            if let Some(keyring) = keyring {
                keyring::write_copy(partial, &keyring)?;
            }
            for (shard, source) in pinned {
                copy(shard, source.connection())
                    .map_err(|error| error.context(format_args!("copying shard {shard}")))?;
            }
        }
        Ok(report)
    }
}

/// One moment of a stash: the keyring's bytes if it is encrypted, and each shard as it was then.
type Pinned = (Option<Vec<u8>>, Vec<(ShardId, Database)>);

impl LiteStash {
    /// The shards as of one moment, and the keyring that has the keys of all their rows.
    fn pin_with_keyring(&self) -> Result<Pinned> {
        let keyring = || self.inner.keyring.as_ref().map(|keyring| keyring.bytes()).transpose();
        loop {
            // A rotation of the key adds one before it is used, and drops one after it was.
            let before = keyring()?;
            let pinned = pin_all(&self.inner.settings)?;
            if keyring()? == before {
                return Ok((before, pinned));
            }
        }
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
fn pin_all(settings: &Settings) -> Result<Vec<(ShardId, Database)>> {
    match settings.read_access {
        Access::Immutable => pin(settings, &existing(settings)?),
        Access::ReadOnly => Err(Error::new(
            ErrorKind::ReadOnly,
            "a backup locks the shards for an instant; open the stash for writing, or as immutable if nobody writes",
        )),
        Access::Read | Access::Write => {
            let deadline = Instant::now() + settings.busy_timeout;
            loop {
                let shards = existing(settings)?;
                let _locks = lock(settings, &shards)?;
                // A shard that another process created since the list was made could hold a write
                // that came before one in a locked shard; so the list must still be complete now
                // that nobody else can write.
                if existing(settings)? == shards {
                    return pin(settings, &shards);
                }
                if Instant::now() >= deadline {
                    return Err(Error::new(ErrorKind::Busy, "new shards kept appearing"));
                }
            }
        }
    }
}

fn shard_path(settings: &Settings, shard: ShardId) -> Result<PathBuf> {
    match &settings.directory {
        Some(directory) => Ok(directory.shard_path(shard)),
        None => Err(Error::new(ErrorKind::Internal, "a stash in memory has no files")),
    }
}

fn existing(settings: &Settings) -> Result<Vec<ShardId>> {
    settings.directory.as_ref().map_or(Ok(Vec::new()), Directory::existing)
}

/// Holds the write lock of each shard, taken in ascending order; dropping the
/// connections rolls back and lets go.
fn lock(settings: &Settings, shards: &[ShardId]) -> Result<Vec<Database>> {
    let mut locks = Vec::with_capacity(shards.len());
    for shard in shards {
        let path = shard_path(settings, *shard)?;
        let locked = crate::storage::while_busy(settings.busy_timeout, || {
            let database = connection::open(&path, *shard, settings.format.stash_id(), Access::Write)?;
            if let Some(database) = &database {
                database.connection().execute_batch("BEGIN IMMEDIATE")?;
            }
            Ok(database)
        })?;
        locks.extend(locked);
    }
    Ok(locks)
}

fn pin(settings: &Settings, shards: &[ShardId]) -> Result<Vec<(ShardId, Database)>> {
    let access = settings.read_access;
    let mut pinned = Vec::with_capacity(shards.len());
    for shard in shards {
        let path = shard_path(settings, *shard)?;
        let opened = crate::storage::while_busy(settings.busy_timeout, || {
            let database = connection::open(&path, *shard, settings.format.stash_id(), access)?;
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

fn copy_shard(source: &Connection, target: &Path) -> Result<()> {
    directory::create_shard_file(target)?;
    let mut copy = Connection::open(target)?;
    {
        let backup = Backup::new(source, &mut copy)?;
        loop {
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
