//! Writing a shard: one transaction at a time, and what has to be true before it is acknowledged.

use super::burst::Burst;
use super::marks::{KnownMarks, Marks};
use super::{OpenWriter, Shard, Transaction, Writer, closed, not_created};
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::armour::{self, Held};
use crate::storage::cache::{Changes, Entry};
use crate::storage::connection::{self, Access, Durability};
use crate::storage::counting;
use crate::storage::database::{Database, Hot};
use crate::storage::effects::{Effects, Images};
use crate::storage::events::recorder::Recorder;
use crate::storage::events::{Change, EventKind, Origin};
use crate::storage::pending::PendingRow;
use crate::storage::retry::while_busy;
use crate::storage::row::{self, NewRow, WriteTxn};
use crate::storage::wal_index::{Header, LogState};
use crate::storage::worker::When;
use crate::sync::{MutexGuard, Ordering};
use rusqlite::Connection;
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

/// A transaction that was begun and not ended.
pub(super) struct Begun {
    before: Option<Header>,
    pub(super) marks: Marks,
    rows_before: u64,
    /// Whether the files are others than before, because the bucket was dropped.
    elsewhere: bool,
}

impl Begun {
    /// How the shard's log was.
    pub(super) fn log_state(&self) -> Option<LogState> {
        self.before.map(|header| header.log_state())
    }

    /// Whether rows were written since.
    pub(super) fn has_written(&self, open: &OpenWriter) -> bool {
        open.database.connection().total_changes() != self.rows_before
    }
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
            // The key to encrypt with is only certain under the write lock.
            if shard.settings.format.is_encrypted() {
                return shard.transact(open, level, &[], |txn| txn.put(row, now_us()));
            }
            open.set_level(level)?;
            let known = &open.known;
            let alone = open.database.in_turn(shard.settings.busy_timeout, |database| {
                let before = database.header();
                if shard.bounds.is_some() || !known.at(before).is_some_and(|marks| marks.ask_nothing()) {
                    return Ok(Alone::NotWritten);
                }
                let version = row::put_alone(
                    database,
                    shard.format(),
                    row,
                    &shard.place(row.slot, row.hash),
                    Version::from_micros(now_us()),
                )?;
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
                    view: Arc::clone(&shard.view),
                    content: Some(row.content(version)),
                });
            }
            if shard.hub.wants_changes() {
                shard.tell_of_put(row, version);
            }
            if !shard.committed(open, level, &[], changes, Marks::default(), before)? {
                // Another process committed at this very moment. If it set a mark, the row is written once
                // more, as the mark asks.
                let marked = shard.transact(open, level, &[], |txn| {
                    if txn.marks().ask_nothing() && !txn.is_elsewhere() {
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

    #[cold]
    fn tell_of_put(&self, row: &NewRow<'_>, version: Version) {
        let (key, version) = (Some(row.key.to_owned()), Some(version));
        let set = Change { kind: EventKind::Set, key, version, origin: Origin::Local };
        self.hub.committed(self.id, &[set]);
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
        // Dropped after the lock: subscribers are woken when it is free.
        let _waker = self.hub.waker();
        let mut writer = self.writer_lock()?;
        let create = create || !self.pending.is_empty();
        let Some(open) = self.open_writer(&mut writer, create)? else { return Ok(None) };
        let mut commit = |open: &mut OpenWriter| self.flush_pending(open).and_then(|()| f(self, open));
        let result = if open.burst.is_one(&open.database) && self.may_hold(open) {
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

    /// Whether locks may be kept in a commit: unless the worker came by since the last one. From here on it gives them
    /// back as well, should the commit take long: readers of other processes may need the read mark.
    fn may_hold(&self, open: &mut OpenWriter) -> bool {
        if open.burst.keeps {
            if !self.gave_back.load(Ordering::Acquire) {
                return true;
            }
            // Others that do not take turns have a moment now.
            open.burst.was_settled();
            return false;
        }
        if let Some(locks) = open.burst.locks {
            self.keep(open, locks);
        }
        true
    }

    /// Has the worker give the locks back some milliseconds from now.
    fn keep(&self, open: &mut OpenWriter, locks: Held) {
        open.burst.keeps = true;
        let mut held = self.held.lock();
        *held = Some(locks);
        self.gave_back.store(false, Ordering::Release);
        drop(held);
        self.workers.idle.want(self, When::Later);
    }

    /// Keeps locks for the next commit, unless another process waits.
    fn hold(&self, open: &mut OpenWriter, held: Option<Held>) {
        let Some(locks) = held else {
            // One was refused, or none was asked for.
            open.burst.was_disturbed();
            return;
        };
        if open.database.is_awaited() {
            armour::settle(locks);
            open.burst.was_disturbed();
        } else if !open.burst.keeps {
            open.burst.locks = held;
            self.keep(open, locks);
        } else if self.gave_back.load(Ordering::Acquire) {
            // The worker came by meanwhile.
            armour::settle(locks);
            open.burst.was_settled();
        }
    }

    pub(super) fn flush_pending(&self, open: &mut OpenWriter) -> Result<()> {
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
        let begun = self.begin(open, level)?;
        let transaction = Transaction(&mut open.database);
        let mut effects = self.effects(&begun);
        if level == Durability::Full && self.sync_log.is_some() {
            effects.images = Some(Images::for_sync_log());
        }
        let mut txn = self.txn(transaction.0, effects);
        let result = f(&mut txn)?;
        let effects = txn.into_effects();
        transaction.goes_on();
        self.end(open, level, released, &begun, effects)?;
        Ok(result)
    }

    /// BEGIN IMMEDIATE, after what the journal has for the shard was done.
    pub(super) fn begin(&self, open: &mut OpenWriter, level: Durability) -> Result<Begun> {
        let mut elsewhere = false;
        loop {
            let mut begun = self.begin_once(open, level)?;
            elsewhere |= begun.elsewhere;
            begun.elsewhere = elsewhere;
            if !begun.marks.journal || !self.redo(open, &begun)? {
                self.start_counting(open, &mut begun)?;
                return Ok(begun);
            }
        }
    }

    /// Makes the shard of a stash with limits a counted one, if it is not.
    fn start_counting(&self, open: &mut OpenWriter, begun: &mut Begun) -> Result<()> {
        if self.bounds.is_none() || begun.marks.counters.is_some() {
            return Ok(());
        }
        let transaction = Transaction(&mut open.database);
        begun.marks.counters = Some(counting::start(transaction.0.connection())?);
        transaction.goes_on();
        Ok(())
    }

    /// BEGIN IMMEDIATE, and what the shard asks of the transaction. A bucket that was dropped is left, and made
    /// anew.
    pub(super) fn begin_once(&self, open: &mut OpenWriter, level: Durability) -> Result<Begun> {
        let mut elsewhere = false;
        loop {
            if let Some(begun) = self.begin_here(open, level)? {
                return Ok(Begun { elsewhere, ..begun });
            }
            let guarded = self.give_up_files();
            self.tell_dropped();
            *open = self.open_writer_file(true)?.ok_or_else(not_created)?;
            drop(guarded);
            elsewhere = true;
        }
    }

    /// [`Shard::begin_once`] in the file that is open. `None`, and nothing is begun, if its bucket was dropped.
    pub(super) fn begin_here(&self, open: &mut OpenWriter, level: Durability) -> Result<Option<Begun>> {
        open.set_level(level)?;
        open.database.in_turn(self.settings.busy_timeout, |database| database.run(Hot::Begin))?;
        let before = open.database.header();
        if open.known.at(before).is_none() {
            self.learn_due(open, before);
        }
        let marks = open.marks(before);
        let transaction = Transaction(&mut open.database);
        let marks = marks?;
        if marks.dropped {
            if !self.is_in_bucket() {
                return Err(Error::new(
                    ErrorKind::NotAStash,
                    "the shard is that of a bucket that was dropped",
                ));
            }
            return Ok(None);
        }
        self.settings.format.refresh()?;
        transaction.goes_on();
        let rows_before = open.database.connection().total_changes();
        Ok(Some(Begun { before, marks, rows_before, elsewhere: false }))
    }

    /// COMMIT, and all that has to happen before it is acknowledged.
    pub(super) fn end(
        &self,
        open: &mut OpenWriter,
        level: Durability,
        released: &[Arc<Entry>],
        begun: &Begun,
        effects: Effects,
    ) -> Result<()> {
        let transaction = Transaction(&mut open.database);
        let effects = if effects.marks.counters == effects.counted {
            effects
        } else {
            let mut txn = self.txn(transaction.0, effects);
            txn.write_counters()?;
            txn.into_effects()
        };
        let Effects { mut marks, changes, recorder, earliest, evicted, images, rows_changed, .. } = effects;
        if let Some(recorder) = &recorder {
            recorder.finish(transaction.0.connection(), &mut marks)?;
        }
        if self.bounds.is_some() {
            open.pages = transaction.0.pages()?;
        }
        if transaction.0.connection().is_autocommit() {
            // Some errors roll the whole transaction back (<https://www.sqlite.org/lang_transaction.html>); one
            // of them was swallowed on the way here.
            return Err(Error::new(ErrorKind::Internal, "the transaction ended before its commit"));
        }
        let counted = transaction.0.connection().total_changes() - begun.rows_before;
        let known = images.filter(|_| counted == rows_changed).and_then(Images::into_bytes);
        let upon = begun.log_state().filter(|state| open.durable == Some(*state));
        self.sharing(level, upon, known, || transaction.0.run(Hot::Commit)).map_err(commit_failed)?;
        drop(transaction);
        self.is_due_at(earliest);
        if let Some(recorder) = recorder {
            self.hub.committed(self.id, recorder.told());
        }
        // A transaction that wrote nothing leaves the header alone, and is no commit to count on: the next one
        // may be that of another process, at once.
        if let Some(bounds) = &self.bounds {
            bounds.count_evicted(evicted);
        }
        if begun.has_written(open) {
            self.committed(open, level, released, changes, marks, begun.before)?;
        } else {
            self.cache.publish(&self.view, released, Changes::All, None, None);
        }
        Ok(())
    }

    /// An open transaction, or what is to come of one.
    pub(super) fn txn<'t>(&'t self, database: &'t mut Database, effects: Effects) -> WriteTxn<'t> {
        WriteTxn::begun(database, self, effects)
    }

    /// What a transaction that has begun so notes of what it does.
    pub(super) fn effects(&self, begun: &Begun) -> Effects {
        Effects {
            marks: begun.marks,
            counted: begun.marks.counters,
            elsewhere: begun.elsewhere,
            changes: self.changes(),
            recorder: Recorder::of(&self.hub, &begun.marks),
            ..Effects::default()
        }
    }

    /// The writer's lock, for who is about to write.
    pub(super) fn writer_lock(&self) -> Result<MutexGuard<'_, Writer>> {
        let mut writer = self.writer.lock();
        self.view.touch();
        if self.is_in_bucket() {
            self.leave_if_dropped(&mut writer)?;
        }
        Ok(writer)
    }

    /// Lets go of a bucket's files if another process has committed and dropped the bucket.
    fn leave_if_dropped(&self, writer: &mut Writer) -> Result<()> {
        if let Writer::Open(open) = writer
            && open.known.at(open.database.header()).is_none()
            && while_busy(self.settings.busy_timeout, || open.database.is_dropped())?
        {
            self.let_go(writer);
        }
        Ok(())
    }

    fn changes(&self) -> Option<Changes> {
        self.view.keeps().then(|| Changes::Rows(Vec::new()))
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
        self.cache.publish(&self.view, released, changes.unwrap_or(Changes::All), before, after);
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
            self.workers.checkpoints.want(self, When::Later);
            if self.log.wants_checkpoint(header.frames()) {
                self.workers.checkpoints.want(self, When::Now);
            }
        }
        if level == Durability::Full {
            self.synced(open, after.filter(|_| undisturbed)).map_err(indeterminate)?;
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

    pub(super) fn open_writer<'w>(
        &self,
        writer: &'w mut Writer,
        create: bool,
    ) -> Result<Option<&'w mut OpenWriter>> {
        if !self.settings.writable() {
            return Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"));
        }
        if let Writer::Idle = writer {
            let opened = match &self.path {
                None if create => {
                    let stash = self.settings.format.stash_id();
                    Some(OpenWriter::new(connection::open_in_memory(self.id, stash)?, true))
                }
                None => None,
                Some(_) => self.open_writer_file(create).map_err(|error| self.located(error))?,
            };
            let Some(open) = opened else { return Ok(None) };
            *writer = Writer::Open(Box::new(open));
        }
        match writer {
            Writer::Open(open) => Ok(Some(open)),
            _ => Err(closed()),
        }
    }

    fn open_writer_file(&self, create: bool) -> Result<Option<OpenWriter>> {
        let opened = while_busy(self.settings.busy_timeout, || self.open_connection(Access::Write, create))?;
        Ok(opened.map(|database| OpenWriter::new(database, false)))
    }
}

impl OpenWriter {
    pub(super) fn new(database: Database, in_memory: bool) -> Self {
        Self {
            database,
            syncs: false,
            names_synced: false,
            durable: None,
            burst: Burst::default(),
            known: KnownMarks::new(in_memory),
            due_known_at: None,
            pages: (0, 0),
        }
    }

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
pub(super) fn must_reopen(kind: ErrorKind) -> bool {
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
