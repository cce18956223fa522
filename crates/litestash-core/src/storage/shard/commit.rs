//! Writing a shard: one transaction at a time, and what has to be true before it is acknowledged.

use super::burst::Burst;
use super::log_file::LogFile;
use super::{OpenWriter, Shard, Transaction, Writer, closed, not_created};
use crate::contract::hash::KeyHash;
use crate::contract::key::KeyRef;
use crate::contract::record::Expiry;
use crate::contract::route::{Place, Route, Slot};
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::armour::{self, Held};
use crate::storage::birth;
use crate::storage::cache::{Changes, Content, Entry};
use crate::storage::connection::{self, Access, Durability};
use crate::storage::database::{Database, Hot};
use crate::storage::directory::exists;
use crate::storage::keyring;
use crate::storage::pending::PendingRow;
use crate::storage::retry::while_busy;
use crate::storage::row::{self, WriteTxn};
use crate::storage::wal_index::Header;
use crate::storage::worker::When;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// Frames of a write-ahead log beyond which it is worth tidying when nobody writes any more.
const FRAMES_TIDIED: u32 = 64;

/// A row without a deadline, to be written whatever is there.
#[derive(Clone, Copy)]
pub(crate) struct Put<'a> {
    pub(crate) slot: Slot,
    pub(crate) hash: &'a KeyHash,
    pub(crate) key: KeyRef<'a>,
    pub(crate) body: &'a [u8],
}

impl Shard {
    /// Runs `f` in a write transaction of this shard and commits. The shard is created if it does not exist.
    ///
    /// If `f` fails, nothing is written. If COMMIT fails the answer is `Indeterminate`, unless SQLite says
    /// for certain that it wrote no commit record. `f` runs once.
    pub(crate) fn write<T>(
        &self,
        level: Durability,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<T> {
        self.with_open(true, |shard, open| shard.transact(open, level, &[], f))?.ok_or_else(not_created)
    }

    /// [`Shard::write`], but `None` if the shard does not exist: then it is not created.
    pub(crate) fn write_existing<T>(
        &self,
        level: Durability,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.with_open(false, |shard, open| shard.transact(open, level, &[], f))
    }

    /// Writes one row without a deadline, as [`Shard::write`] with a single put would, in one statement.
    pub(super) fn put_alone(
        &self,
        level: Durability,
        put: Put<'_>,
        now_us: &dyn Fn() -> i64,
    ) -> Result<Version> {
        self.with_open(true, |shard, open| {
            // The key to encrypt with is only certain under the write lock.
            if level == Durability::Full || shard.settings.format.is_encrypted() {
                return shard.transact(open, level, &[], |txn| {
                    txn.put(put.slot, put.hash, put.key, Expiry::NEVER, put.body, now_us())
                });
            }
            open.set_level(level)?;
            let before = open.database.header();
            let alone = open.database.in_turn(shard.settings.busy_timeout, |database| {
                let version = Version::from_micros(now_us());
                let place = Place { hash: *put.hash, route: Route { shard: shard.id, slot: put.slot } };
                row::put_alone(database, &shard.settings.format, &place, put.key, put.body, version)
            });
            let version = match alone {
                Ok(Some(version)) => version,
                // The row's version is not below the clock: it has to be looked up and exceeded.
                Ok(None) => {
                    return shard.transact(open, level, &[], |txn| {
                        txn.put(put.slot, put.hash, put.key, Expiry::NEVER, put.body, now_us())
                    });
                }
                // The statement commits by itself, so an I/O error may be that of the commit.
                Err(error) if error.kind() == ErrorKind::Io => return Err(commit_failed(error)),
                Err(error) => return Err(error),
            };
            let mut changes = shard.changes();
            if let Some(changes) = &mut changes {
                changes.push(|| Entry {
                    key: put.key.to_owned(),
                    shard: shard.id,
                    content: Some(Content { version, expiry: Expiry::NEVER, body: put.body.into() }),
                });
            }
            shard.committed(open, level, &[], changes, before)?;
            Ok(version)
        })?
        .ok_or_else(not_created)
    }

    /// Writes the rows that wait, if there are any.
    pub(crate) fn flush(&self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.with_open(true, |_, _| Ok(())).map(drop)
    }

    /// Runs `f`, which writes, on the writer connection, after the rows that waited before it. `None` if the
    /// shard does not exist and is not to be created.
    pub(super) fn with_open<T>(
        &self,
        create: bool,
        f: impl FnOnce(&Self, &mut OpenWriter) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut writer = self.writer.lock();
        let create = create || !self.pending.is_empty();
        let Some(open) = self.open_writer(&mut writer, create)? else { return Ok(None) };
        let commit = |open: &mut OpenWriter| self.flush_pending(open).and_then(|()| f(self, open));
        let result = if open.burst.is_one(&open.database) {
            let (result, held) = armour::holding(|| commit(open));
            self.hold(open, held);
            result
        } else {
            commit(open)
        };
        if let Err(error) = &result
            && must_reopen(error.kind())
        {
            // What this connection believes about the file can no longer be trusted.
            *writer = Writer::Idle;
        }
        result.map(Some).map_err(|error| self.located(error))
    }

    /// Keeps locks for the next commit, unless another process waits.
    fn hold(&self, open: &mut OpenWriter, held: Option<Held>) {
        let Some(locks) = held else { return };
        if open.database.is_awaited() {
            armour::settle(locks);
            open.burst.was_disturbed();
            return;
        }
        let mut kept = self.held.lock();
        if kept.is_none() && open.burst.keeps {
            // The worker came by. Others that do not take turns have a moment now.
            armour::settle(locks);
            open.burst.was_settled();
            return;
        }
        open.burst.keeps = true;
        *kept = held;
        drop(kept);
        // Which gives them back some milliseconds from now.
        self.workers.idle.want(self.id, When::Later);
    }

    fn flush_pending(&self, open: &mut OpenWriter) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut rows = self.pending.take();
        let written = self.write_pending(open, &mut rows);
        match written {
            Ok(()) => self.pending.taken_is_written(),
            Err(_) => self.pending.put_back(rows),
        }
        written
    }

    fn write_pending(&self, open: &mut OpenWriter, rows: &mut [PendingRow]) -> Result<()> {
        let released: Vec<_> = rows.iter().map(|row| Arc::clone(&row.entry)).collect();
        // In the order of the index a commit touches each page once; the sort is stable, and of the writes of
        // one key only the last one counts.
        rows.sort_by_key(|row| row.hash);
        self.transact(open, Durability::Normal, &released, |txn| {
            for same in rows.chunk_by(|a, b| a.hash == b.hash) {
                let Some(PendingRow { hash, slot, entry }) = same.last() else { continue };
                let Some(content) = &entry.content else { continue };
                let (key, now_us) = (entry.key.as_ref(), content.version.micros());
                let version = txn.put_unrecorded(*slot, hash, key, content.expiry, &content.body, now_us)?;
                if version != content.version {
                    // The row had a version above that; the cache holds what is stored.
                    let (expiry, body) = (content.expiry, content.body.clone());
                    txn.changed(key, || Some(Content { version, expiry, body }));
                }
            }
            Ok(())
        })
    }

    /// BEGIN IMMEDIATE, `f`, COMMIT, and all that has to happen before the commit is acknowledged.
    pub(super) fn transact<T>(
        &self,
        open: &mut OpenWriter,
        level: Durability,
        released: &[Arc<Entry>],
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<T> {
        open.set_level(level)?;
        if open.syncs && open.log_file.is_none() {
            open.log_file = self.path.as_deref().and_then(LogFile::open);
        }
        open.database.in_turn(self.settings.busy_timeout, |database| database.run(Hot::Begin))?;
        let before = open.database.header();
        let rows_before = open.database.connection().total_changes();
        if let (Some(log_file), Some(before)) = (&mut open.log_file, before)
            && open.syncs
        {
            log_file.make_room(before.frames());
        }
        let transaction = Transaction(&mut open.database);
        let format = &self.settings.format;
        format.refresh()?;
        let mut txn = WriteTxn::begun(transaction.0, format, self.id, self.changes());
        let result = f(&mut txn)?;
        let changes = txn.into_changes();
        if transaction.0.connection().is_autocommit() {
            // Some errors roll the whole transaction back (<https://www.sqlite.org/lang_transaction.html>); one
            // of them was swallowed on the way here.
            return Err(Error::new(ErrorKind::Internal, "the transaction ended before its commit"));
        }
        transaction.0.run(Hot::Commit).map_err(commit_failed)?;
        drop(transaction);
        // A transaction that wrote nothing leaves the header alone, and is no commit to count on: the next one
        // may be that of another process, at once.
        let wrote = open.database.connection().total_changes() != rows_before;
        self.committed(open, level, released, changes, before.filter(|_| wrote))?;
        Ok(result)
    }

    fn changes(&self) -> Option<Changes> {
        (self.cache.is_on() && self.path.is_some()).then(|| Changes::Rows(Vec::new()))
    }

    /// What follows a commit, before anybody hears of it.
    fn committed(
        &self,
        open: &mut OpenWriter,
        level: Durability,
        released: &[Arc<Entry>],
        changes: Option<Changes>,
        before: Option<Header>,
    ) -> Result<()> {
        let after = open.database.header();
        self.cache.publish(self.id, released, changes.unwrap_or(Changes::All), before, after);
        if let Some(header) = after
            && header.frames() >= FRAMES_TIDIED
        {
            self.workers.checkpoints.want(self.id, When::Later);
            if self.log.wants_checkpoint(header.frames()) {
                self.workers.checkpoints.want(self.id, When::Now);
            }
        }
        if level == Durability::Full
            && !open.names_synced
            && let Some(directory) = &self.settings.directory
        {
            // A power cut must not take the names of the file and its log. Once for each connection that
            // writes: while it is open, both names stay.
            directory.sync().map_err(indeterminate)?;
            open.names_synced = true;
        }
        Ok(())
    }

    /// Runs `f` on the writer connection, outside a transaction. `None` if the shard does not exist.
    pub(crate) fn with_writer<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<Option<T>> {
        self.with_open(false, |_, open| {
            open.burst.was_disturbed();
            f(open.database.connection())
        })
    }

    fn open_writer<'w>(&self, writer: &'w mut Writer, create: bool) -> Result<Option<&'w mut OpenWriter>> {
        if !self.settings.writable() {
            return Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"));
        }
        if let Writer::Idle = writer {
            let opened = match &self.path {
                None if create => Some(connection::open_in_memory(self.id, None)?),
                None => None,
                Some(path) => self.open_writer_file(path, create).map_err(|error| self.located(error))?,
            };
            let Some(database) = opened else { return Ok(None) };
            *writer = Writer::Open(Box::new(OpenWriter {
                database,
                syncs: false,
                log_file: None,
                names_synced: false,
                burst: Burst::default(),
            }));
        }
        match writer {
            Writer::Open(open) => Ok(Some(open)),
            _ => Err(closed()),
        }
    }

    /// A plain shard is no part of an encrypted stash, which another process may have begun since the
    /// directory was looked at.
    fn refuse_other_birth(&self) -> Result<()> {
        match &self.settings.directory {
            Some(directory) if !self.settings.format.is_encrypted() => keyring::refuse(directory),
            _ => Ok(()),
        }
    }

    fn open_writer_file(&self, path: &Path, create: bool) -> Result<Option<Database>> {
        if !exists(path)? {
            if !create {
                return Ok(None);
            }
            self.refuse_other_birth()?;
            birth::create(path, self.id, self.settings.format.stash_id())?;
        }
        while_busy(self.settings.busy_timeout, || self.open_connection(path, Access::Write))
    }
}

impl OpenWriter {
    /// Makes commits as durable as that from now on.
    fn set_level(&mut self, level: Durability) -> Result<()> {
        let syncs = level == Durability::Full;
        if self.syncs != syncs {
            connection::set_synchronous(self.database.connection(), syncs)?;
            self.syncs = syncs;
        }
        Ok(())
    }
}

/// After these the writer connection is dropped and opened anew by the next write.
fn must_reopen(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Indeterminate | ErrorKind::Io | ErrorKind::NotAStash | ErrorKind::Internal)
}

/// A commit that failed may still be found after a crash: part of it can have reached the WAL.
///
/// Only a full disk is certain: SQLite reports it when a write was refused, and a commit counts only once its
/// last frame is whole in the WAL. See `docs/adr/0003-failed-commit.md`.
fn commit_failed(error: Error) -> Error {
    if error.kind() == ErrorKind::DiskFull { error } else { indeterminate(error) }
}

fn indeterminate(error: Error) -> Error {
    Error::new(
        ErrorKind::Indeterminate,
        "the commit failed; whether it took effect is unknown until the key is read again",
    )
    .with_source(error)
}
