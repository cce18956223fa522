//! Writing a shard: one transaction at a time, and what has to be true before it is acknowledged.

use super::burst::Burst;
use super::log_file::LogFile;
use super::marks::{KnownMarks, Marks};
use super::{OpenWriter, Shard, Transaction, Writer, closed, not_created};
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::armour::{self, Held};
use crate::storage::birth;
use crate::storage::cache::{Changes, Entry};
use crate::storage::connection::{self, Access, Durability};
use crate::storage::database::{Database, Hot};
use crate::storage::directory::exists;
use crate::storage::pending::PendingRow;
use crate::storage::retry::while_busy;
use crate::storage::row::{self, NewRow, WriteTxn};
use crate::storage::wal_index::Header;
use crate::storage::worker::When;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// Frames of a write-ahead log beyond which it is worth tidying when nobody writes any more.
const FRAMES_TIDIED: u32 = 64;

/// How far the attempt to write a row in a statement of its own came.
enum Alone {
    Written(Version, Option<Header>),
    /// It takes a transaction: the row's version is not below the clock and has to be looked up and exceeded,
    /// or the shard's marks are not known or ask for more.
    NotWritten,
}

impl Shard {
    /// Runs `f` in a write transaction of this shard and commits. The shard is created if it does not exist.
    ///
    /// If `f` fails, nothing is written. If COMMIT fails the answer is `Indeterminate`, unless SQLite says
    /// for certain that it wrote no commit record. `f` runs again only after nothing was written, when room was made
    /// on a full disk.
    pub(crate) fn write<T>(
        &self,
        level: Durability,
        mut f: impl FnMut(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<T> {
        self.with_open(true, |shard, open| shard.transact(open, level, &[], &mut f))?.ok_or_else(not_created)
    }

    /// [`Shard::write`], but `None` if the shard does not exist: then it is not created.
    pub(crate) fn write_existing<T>(
        &self,
        level: Durability,
        mut f: impl FnMut(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.with_open(false, |shard, open| shard.transact(open, level, &[], &mut f))
    }

    /// Writes one row without a deadline, as [`Shard::write`] with a single put would, in one statement.
    pub(super) fn put_alone(
        &self,
        level: Durability,
        row: &NewRow<'_>,
        now_us: &dyn Fn() -> i64,
    ) -> Result<Version> {
        self.with_open(true, |shard, open| {
            open.set_level(level)?;
            let known = &open.known;
            let alone = open.database.in_turn(shard.settings.busy_timeout, |database| {
                let before = database.header();
                if shard.bounds.is_some() || !known.at(before).is_some_and(|marks| marks.ask_nothing()) {
                    return Ok(Alone::NotWritten);
                }
                let version = row::put_alone(database, row, Version::from_micros(now_us()))?;
                Ok(version.map_or(Alone::NotWritten, |version| Alone::Written(version, before)))
            });
            let (version, before) = match alone {
                Ok(Alone::Written(version, before)) => (version, before),
                Ok(Alone::NotWritten) => {
                    return shard.transact(open, level, &[], |txn| txn.put(row, now_us()));
                }
                // The statement commits by itself, so an I/O error may be that of the commit.
                Err(error) if error.kind() == ErrorKind::Io => return Err(commit_failed(error)),
                Err(error) => return Err(error),
            };
            let mut changes = shard.changes();
            if let Some(changes) = &mut changes {
                changes.push(|| Entry {
                    key: row.key.to_owned(),
                    shard: shard.id,
                    content: Some(row.content(version)),
                });
            }
            if !shard.committed(open, level, &[], changes, Marks::default(), before)? {
                // Another process committed at this very moment. If it set a mark, the row is written once
                // more, as the mark asks.
                let marked = shard.transact(open, level, &[], |txn| {
                    if txn.marks().ask_nothing() {
                        return Ok(version);
                    }
                    // What was written just now may have been after the counting began, and is not counted.
                    txn.recount()?;
                    txn.put(row, now_us())
                });
                return marked.map_err(indeterminate);
            }
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
        f: impl FnMut(&Self, &mut OpenWriter) -> Result<T>,
    ) -> Result<Option<T>> {
        match &self.bounds {
            None => self.with_locked(create, f),
            Some(bounds) => self.with_bounds(bounds, create, f),
        }
    }

    /// [`Shard::with_open`] without regard to limits.
    pub(super) fn with_locked<T>(
        &self,
        create: bool,
        mut f: impl FnMut(&Self, &mut OpenWriter) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut writer = self.writer.lock();
        let create = create || !self.pending.is_empty();
        let Some(open) = self.open_writer(&mut writer, create)? else { return Ok(None) };
        let mut commit = |open: &mut OpenWriter| self.flush_pending(open).and_then(|()| f(self, open));
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
                let key = entry.key.as_ref();
                let row = NewRow { slot: *slot, hash, key, expiry: content.expiry, body: &content.body };
                let version = txn.put_unrecorded(&row, content.version.micros())?;
                if version != content.version {
                    // The row had a version above that; the cache holds what is stored.
                    txn.changed(key, || Some(row.content(version)));
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
        let marks = match open.marks(before) {
            Ok(marks) => marks,
            Err(error) => {
                drop(Transaction(&mut open.database));
                return Err(error);
            }
        };
        let rows_before = open.database.connection().total_changes();
        if let (Some(log_file), Some(before)) = (&mut open.log_file, before)
            && open.syncs
        {
            log_file.make_room(before.frames());
        }
        let transaction = Transaction(&mut open.database);
        let bounds = self.bounds.as_deref();
        let mut txn = WriteTxn::begun(transaction.0, self.id, marks, self.changes(), bounds);
        if bounds.is_some() {
            txn.start_counting()?;
        }
        let result = f(&mut txn)?;
        if txn.marks().counters.is_some() {
            txn.write_counters()?;
        }
        let evicted = txn.room.as_ref().map_or(0, |room| room.evicted);
        let (marks, changes) = txn.into_parts();
        if bounds.is_some() {
            open.pages = transaction.0.pages()?;
        }
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
        if let Some(bounds) = bounds {
            bounds.count_evicted(evicted);
        }
        if wrote {
            self.committed(open, level, released, changes, marks, before)?;
        } else {
            self.cache.publish(self.id, released, Changes::All, None, None);
        }
        Ok(result)
    }

    fn changes(&self) -> Option<Changes> {
        (self.cache.is_on() && self.path.is_some()).then(|| Changes::Rows(Vec::new()))
    }

    /// What follows a commit, before anybody hears of it. Returns whether no other process committed since
    /// `before`.
    fn committed(
        &self,
        open: &mut OpenWriter,
        level: Durability,
        released: &[Arc<Entry>],
        changes: Option<Changes>,
        marks: Marks,
        before: Option<Header>,
    ) -> Result<bool> {
        let after = open.database.header();
        let undisturbed = open.known.committed(marks, before, after);
        self.cache.publish(self.id, released, changes.unwrap_or(Changes::All), before, after);
        if let Some(bounds) = &self.bounds {
            let (pages, free) = open.pages;
            bounds.learn(
                self.id,
                marks.counters.unwrap_or_default(),
                after.filter(|_| undisturbed),
                Some(pages),
            );
            self.ask_ahead(bounds, pages, free);
        }
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
        Ok(undisturbed)
    }

    /// Runs `f` on the writer connection, outside a transaction. `None` if the shard does not exist.
    pub(crate) fn with_writer<T>(&self, mut f: impl FnMut(&Connection) -> Result<T>) -> Result<Option<T>> {
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
                None if create => Some(connection::open_in_memory(self.id)?),
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
                known: KnownMarks::new(self.path.is_none()),
                pages: (0, 0),
            }));
        }
        match writer {
            Writer::Open(open) => Ok(Some(open)),
            _ => Err(closed()),
        }
    }

    fn open_writer_file(&self, path: &Path, create: bool) -> Result<Option<Database>> {
        if !exists(path)? {
            if !create {
                return Ok(None);
            }
            birth::create(path, self.id, self.bounds.is_some())?;
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
