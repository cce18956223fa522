//! The journal: what transactions over several shards are going to do, so that whoever comes after a crash does
//! the rest (`docs/CONTRACT.md` 14, `docs/adr/0022-transactions.md`).
//!
//! Nothing here knows a shard's files. The order of locks is: shards, ascending; then the journal.

mod view;

use super::armour::{self, Guard};
use super::cache::ReadCache;
use super::connection::{self, Access, Content};
use super::database::{Database, Hot};
use super::directory::exists;
use super::retry::while_busy;
use super::shard::{Settings, checkpoint};
use super::{birth, sql};
use crate::contract::intent;
use crate::contract::route::ShardId;
use crate::contract::schema::META_LAST;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use rusqlite::{Connection, OptionalExtension};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

pub(crate) use view::View;

/// Frames of the journal's log from which it is moved into the file by who empties it.
const FRAMES_MOVED: u32 = 500;

/// The journal of a stash. Its file is made by the first transaction over several shards.
pub(crate) struct Journal {
    path: Option<PathBuf>,
    settings: Arc<Settings>,
    view: Arc<View>,
    reader: Mutex<Side>,
    writer: Mutex<Side>,
    guard: Mutex<Option<Guard>>,
    /// Whether the file is open.
    attached: AtomicBool,
    /// Shards for which it has intents that were done and may not be durable there: one bit each.
    outstanding: AtomicU32,
    /// Whether a commit failed, so that a later recovery could find it: another has to take its place first.
    suspect: AtomicBool,
}

/// A connection.
#[derive(Default)]
struct Side {
    database: Option<Database>,
    closed: bool,
    /// Whether the names of the file and its log were made durable.
    names_synced: bool,
}

/// What a shard has to do.
pub(crate) struct Intent {
    pub(crate) id: i64,
    pub(crate) changes: Vec<u8>,
}

impl Journal {
    pub(crate) fn new(settings: &Arc<Settings>) -> Self {
        Self {
            path: settings.directory.as_ref().map(super::directory::Directory::journal_path),
            settings: Arc::clone(settings),
            view: Arc::default(),
            reader: Mutex::default(),
            writer: Mutex::default(),
            guard: Mutex::default(),
            attached: AtomicBool::new(false),
            outstanding: AtomicU32::new(0),
            suspect: AtomicBool::new(false),
        }
    }

    /// What the cache looks at.
    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Whether the file is open: then it has to be looked into.
    #[inline]
    pub(crate) fn is_attached(&self) -> bool {
        self.attached.load(Ordering::Acquire)
    }

    /// Opens the journal if its file is there. Returns whether it was opened by this call.
    pub(crate) fn attach(&self) -> Result<bool> {
        match &self.path {
            Some(path) if !self.is_attached() && exists(path)? => self.open_reader(path),
            _ => Ok(false),
        }
    }

    /// [`Journal::attach`], and makes the file if it is missing.
    pub(crate) fn attach_or_create(&self) -> Result<bool> {
        let Some(path) = &self.path else { return Ok(false) };
        if !self.is_attached() && !exists(path)? {
            birth::create(path, Content::Journal, self.settings.format.stash_id(), false)?;
        }
        self.attach()
    }

    fn open_reader(&self, path: &Path) -> Result<bool> {
        armour::not_holding(|| {
            let mut reader = self.reader.lock();
            self.open_side(&mut reader, path, self.settings.read_access)
        })
    }

    fn open_side(&self, side: &mut Side, path: &Path, access: Access) -> Result<bool> {
        if side.closed {
            return Err(super::shard::closed());
        }
        if side.database.is_some() {
            return Ok(false);
        }
        let database = while_busy(self.settings.busy_timeout, || {
            // It went with the bucket whose it was; that would look like a log in flux, for ever.
            if !exists(path)? {
                return Ok(None);
            }
            let stash = self.settings.format.stash_id();
            let guarded = access != Access::Immutable && self.guard.lock().is_none();
            let mut begun = if guarded { Guard::begin(path)? } else { None };
            let opened = connection::open_guarded(path, Content::Journal, stash, access, &mut begun)?;
            if opened.as_ref().is_some_and(Database::shares_index) {
                let mut guard = self.guard.lock();
                if guard.is_none() {
                    let taken = Guard::take(path, begun)?;
                    if let Some(page) = taken.as_ref().and_then(Guard::index_page) {
                        self.view.attach(page);
                    }
                    *guard = taken;
                }
            }
            Ok(opened)
        })?;
        side.database = database;
        // A file whose creation was cut short has nothing in it.
        let opened = side.database.is_some();
        if opened {
            self.attached.store(true, Ordering::Release);
        }
        Ok(opened)
    }

    /// Whether something may have been added for a shard since it last looked.
    #[inline]
    pub(crate) fn has_news(&self, shard: ShardId) -> bool {
        self.is_attached() && self.has_changed(shard)
    }

    #[cold]
    fn has_changed(&self, shard: ShardId) -> bool {
        // Nobody writes then, and opening has looked.
        if self.settings.read_access == Access::Immutable {
            return false;
        }
        let reader = self.reader.lock();
        let header = reader.database.as_ref().and_then(Database::header);
        header.is_none_or(|header| header.fingerprint() != self.view.seen(shard))
    }

    /// Reads with `f`, and says which state of the journal it was at least.
    fn read<T>(&self, mut f: impl FnMut(&Connection) -> Result<T>) -> Result<Option<(T, Option<u64>)>> {
        armour::not_holding(|| {
            while_busy(self.settings.busy_timeout, || {
                let mut reader = self.reader.lock();
                let Some(database) = &mut reader.database else { return Ok(None) };
                let header = database.header().map(|header| header.fingerprint());
                Ok(Some((f(database.connection())?, header)))
            })
        })
        .map_err(located)
    }

    /// What a shard does not have that has done everything up to `applied`. Only for who holds the shard's
    /// write lock: then nothing is added meanwhile, and whoever began what is found is not going to finish it.
    pub(crate) fn pending(&self, shard: ShardId, applied: i64) -> Result<Vec<Intent>> {
        #[cfg(feature = "testing")]
        if testing::has(testing::Bug::RecoverLate) && !testing::finishes() {
            return Ok(Vec::new());
        }
        self.settle_suspect()?;
        if !self.has_news(shard) {
            return Ok(Vec::new());
        }
        let read = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql::INTENTS_AFTER)?;
            let mut rows = statement.query((shard.number(), applied))?;
            let mut intents = Vec::new();
            while let Some(row) = rows.next()? {
                intents.push(Intent { id: row.get(0)?, changes: row.get(1)? });
            }
            Ok(intents)
        })?;
        let Some((intents, header)) = read else { return Ok(Vec::new()) };
        if intents.is_empty()
            && let Some(header) = header
        {
            self.view.has_seen(shard, header);
        }
        Ok(intents)
    }

    /// The newest intent for a shard, if it has any. `applied` is asked then how far the shard is; `None` if
    /// the shard has it already.
    pub(crate) fn unapplied(
        &self,
        shard: ShardId,
        applied: impl FnOnce() -> Result<i64>,
    ) -> Result<Option<i64>> {
        let last = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql::INTENTS_LAST)?;
            Ok(statement.query_row([shard.number()], |row| row.get::<_, Option<i64>>(0))?)
        })?;
        let Some((last, header)) = last else { return Ok(None) };
        if let Some(last) = last {
            self.outstanding.fetch_or(1 << shard.number(), Ordering::AcqRel);
            if applied()? < last {
                return Ok(Some(last));
            }
        }
        if let Some(header) = header {
            self.view.has_seen(shard, header);
        }
        Ok(None)
    }

    /// Writes the intents of a transaction and syncs them: from then on it is going to happen. Returns its
    /// number, which is greater than `after`; `numbered` is told it before.
    ///
    /// Only for who holds the write locks of all the shards. `Indeterminate` if it may have been written, and
    /// could not be taken back; any other error says that it was not.
    pub(crate) fn commit(
        &self,
        mut intents: Vec<(ShardId, Vec<u8>)>,
        after: i64,
        numbered: impl FnOnce(i64) -> Result<()>,
    ) -> Result<i64> {
        self.settle_suspect()?;
        armour::not_holding(|| {
            let mut side = self.open_writer()?;
            self.check_place()?;
            let mut numbered = Some(numbered);
            let numbers = std::cell::Cell::new(0);
            let written = write(&mut side, &self.settings, |connection| {
                let last: i64 =
                    connection.prepare_cached(sql::META_GET)?.query_row([META_LAST], |row| row.get(0))?;
                let id = last.max(after).checked_add(1).ok_or_else(|| Error::corrupt("the last number"))?;
                numbers.set(id);
                if let Some(numbered) = numbered.take() {
                    numbered(id)?;
                }
                for (shard, changes) in &mut intents {
                    intent::seal(id, *shard, changes);
                    connection.prepare_cached(sql::INTENT_ADD)?.execute((
                        shard.number(),
                        id,
                        changes.as_slice(),
                    ))?;
                }
                connection.prepare_cached(sql::META_PUT)?.execute((META_LAST, id))?;
                Ok(id)
            });
            let written = written.and_then(|id| {
                if !side.names_synced
                    && let Some(directory) = &self.settings.directory
                {
                    directory.sync().map_err(unknown)?;
                    side.names_synced = true;
                }
                Ok(id)
            });
            match written {
                Ok(id) => {
                    #[cfg(feature = "testing")]
                    if testing::has(testing::Bug::ForgetEarly) {
                        drop(side);
                        intents.iter().try_for_each(|(shard, _)| self.forget(*shard, id))?;
                    }
                    let bits = intents.iter().fold(0, |bits, (shard, _)| bits | 1 << shard.number());
                    self.outstanding.fetch_or(bits, Ordering::AcqRel);
                    Ok(id)
                }
                Err(error) if error.kind() == ErrorKind::Indeterminate => {
                    side.database = None;
                    drop(side);
                    // The write locks of the shards are still held: nobody else adds intents for them, and nobody
                    // does these.
                    self.suspect.store(true, Ordering::Release);
                    self.replace_suspect(numbers.get(), &intents).map_err(|_| error.duplicate())?;
                    Err(Error::new(ErrorKind::Io, "the journal could not be written; nothing was done")
                        .with_source(error))
                }
                Err(error) => Err(error),
            }
        })
        .map_err(located)
    }

    /// Makes sure that a commit that failed is not found by a later recovery of the log, where it may be whole.
    /// If it is visible by now it is left to be done.
    fn settle_suspect(&self) -> Result<()> {
        if !self.suspect.load(Ordering::Acquire) {
            return Ok(());
        }
        armour::not_holding(|| self.replace_suspect(0, &[])).map_err(located)
    }

    /// Puts another commit in the place of one that failed, and takes back what it may have added.
    fn replace_suspect(&self, id: i64, intents: &[(ShardId, Vec<u8>)]) -> Result<()> {
        let mut side = self.open_writer()?;
        write(&mut side, &self.settings, |connection| {
            for (shard, _) in intents {
                let place = (shard.number(), id);
                connection.prepare_cached(sql::INTENT_TAKE_BACK)?.execute(place)?;
            }
            let last: i64 =
                connection.prepare_cached(sql::META_GET)?.query_row([META_LAST], |row| row.get(0))?;
            connection.prepare_cached(sql::META_PUT)?.execute((META_LAST, last.max(id) + 1))?;
            Ok(())
        })?;
        self.suspect.store(false, Ordering::Release);
        Ok(())
    }

    /// Refuses to go on in files that nobody finds again.
    fn check_place(&self) -> Result<()> {
        match &*self.guard.lock() {
            Some(guard) if !guard.still_named() => Err(Error::new(
                ErrorKind::Io,
                "the journal's files were replaced or deleted while they were open; open the stash anew",
            )),
            _ => Ok(()),
        }
    }

    fn open_writer(&self) -> Result<MutexGuard<'_, Side>> {
        let mut side = self.writer.lock();
        if side.database.is_none() {
            let Some(path) = &self.path else {
                return Err(Error::new(ErrorKind::Internal, "a stash in memory has no journal"));
            };
            side.names_synced = false;
            self.open_side(&mut side, path, Access::Write)?;
            if let Some(database) = &side.database {
                connection::set_synchronous(database.connection(), true)?;
            }
        }
        Ok(side)
    }

    /// Whether there are intents that were done in a shard and are not known to be durable there.
    pub(crate) fn is_outstanding(&self, shard: ShardId) -> bool {
        self.outstanding.load(Ordering::Acquire) & 1 << shard.number() != 0
    }

    /// Forgets what a shard has done up to `applied`, and has synced.
    pub(crate) fn forget(&self, shard: ShardId, applied: i64) -> Result<()> {
        self.outstanding.fetch_and(!(1 << shard.number()), Ordering::AcqRel);
        let forgotten = armour::not_holding(|| {
            let mut side = self.open_writer()?;
            let forgotten = write(&mut side, &self.settings, |connection| {
                connection.prepare_cached(sql::INTENTS_FORGET)?.execute((shard.number(), applied))?;
                Ok(())
            });
            if let Some(database) = &side.database
                && database.header().is_some_and(|header| header.frames() >= FRAMES_MOVED)
            {
                database.connection().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            }
            forgotten
        });
        if forgotten.is_err() {
            self.outstanding.fetch_or(1 << shard.number(), Ordering::AcqRel);
        }
        forgotten.map_err(located)
    }

    /// Frames in its log, if this handle has written it.
    pub(crate) fn frames(&self) -> u32 {
        let writer = self.writer.lock();
        writer.database.as_ref().and_then(Database::header).map_or(0, |header| header.frames())
    }

    /// Moves its log into the file and cuts it off. `Busy` if others use it.
    pub(crate) fn cut_log(&self) -> Result<()> {
        armour::not_holding(|| {
            if let Some(reader) = &mut self.reader.lock().database {
                reader.end_kept()?;
            }
            self.writer.lock().database.as_ref().map_or(Ok(()), |database| checkpoint(database.connection()))
        })
        .map_err(located)
    }

    /// Whether its file still has its name, as far as that can be told.
    pub(crate) fn is_in_place(&self) -> bool {
        self.guard.lock().as_ref().is_none_or(Guard::still_named)
    }

    /// Lets go of a file that has lost its name with the bucket whose journal it was. The next call opens the one
    /// that is there then.
    pub(crate) fn leave_if_replaced(&self, cache: &ReadCache) {
        if self.is_in_place() {
            return;
        }
        self.attached.store(false, Ordering::Release);
        self.view.hide();
        cache.wait_for_readers();
        self.view.detach();
        let (mut reader, mut writer) = (self.reader.lock(), self.writer.lock());
        let databases = (reader.database.take(), writer.database.take());
        let mut guard = self.guard.lock();
        release(&guard);
        drop(databases);
        guard.take();
        self.outstanding.store(0, Ordering::Release);
        self.suspect.store(false, Ordering::Release);
        ShardId::all().for_each(|shard| self.view.has_seen(shard, 0));
    }

    /// Closes the file. Only after [`View::hide`], when no cached row is being looked at.
    pub(crate) fn close(&self) -> Result<()> {
        self.attached.store(false, Ordering::Release);
        self.view.detach();
        let mut reader = self.reader.lock();
        let mut writer = self.writer.lock();
        (reader.closed, writer.closed) = (true, true);
        let (reader, writer) = (reader.database.take(), writer.database.take());
        let mut guard = self.guard.lock();
        let moved = match &writer {
            Some(database) => match checkpoint(database.connection()) {
                // Others use it, and finish what they keep from being finished.
                Err(error) if error.kind() == ErrorKind::Busy => Ok(()),
                other => other,
            },
            None => Ok(()),
        };
        if writer.is_some() {
            drop(reader);
            release(&guard);
            let closed = writer.map_or(Ok(()), Database::close);
            guard.take();
            return moved.and(closed);
        }
        release(&guard);
        drop(reader);
        guard.take();
        moved
    }
}

fn release(guard: &Option<Guard>) {
    if let Some(guard) = guard {
        guard.release();
    }
}

/// BEGIN IMMEDIATE, `f`, COMMIT.
fn write<T>(side: &mut Side, settings: &Settings, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let Some(database) = &mut side.database else {
        return Err(Error::new(ErrorKind::Internal, "the journal was not created"));
    };
    database.in_turn(settings.busy_timeout, |database| database.run(Hot::Begin))?;
    let result = f(database.connection());
    let result = result.and_then(|result| {
        database.run(Hot::Commit).map_err(|error| match error.kind() {
            // See `docs/adr/0003-failed-commit.md`.
            ErrorKind::DiskFull => error,
            _ => unknown(error),
        })?;
        Ok(result)
    });
    if result.is_err() && !database.connection().is_autocommit() {
        // The first error is the one to report.
        let _ = database.connection().execute_batch(sql::ROLLBACK);
    }
    result
}

/// The number of the last transaction that a shard has.
pub(super) fn applied(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached(sql::META_GET)?;
    let found = statement.query_row([crate::contract::schema::META_APPLIED], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}

fn unknown(error: Error) -> Error {
    Error::new(ErrorKind::Indeterminate, "the journal's commit failed").with_source(error)
}

fn located(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Closed | ErrorKind::ReadOnly => error,
        _ if error.message().contains("journal") => error,
        _ => error.context("the journal"),
    }
}

/// Points at which a process may be made to die, and bugs on purpose. No part of the interface.
#[cfg(feature = "testing")]
pub mod testing {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// The step at which this process dies; 0 for none.
    pub static DIES_AT: AtomicU32 = AtomicU32::new(0);
    /// How many times that step is passed before.
    pub static PASSES: AtomicU32 = AtomicU32::new(0);
    /// The number of a [`Bug`], or 0.
    pub static BUG: AtomicU32 = AtomicU32::new(0);

    /// The steps of a transaction over several shards: before the journal's commit, after it, after the commit
    /// of each shard, and when the intents of a shard are forgotten; and of a recovery before its commit.
    pub const STEPS: [u32; 5] = [1, 2, 3, 4, 5];

    /// A bug that a campaign must find.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Bug {
        /// Writers do not look into the journal; only who opens the stash does.
        RecoverLate = 1,
        /// Intents are forgotten before the shards have done what they say.
        ForgetEarly = 2,
    }

    std::thread_local! {
        /// Whether this thread does what was left undone before anything else.
        static FINISHES: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    /// Says until it is dropped that this thread does what was left undone.
    pub(crate) fn finishing() -> impl Drop {
        struct Finishing;
        impl Drop for Finishing {
            fn drop(&mut self) {
                FINISHES.set(false);
            }
        }
        FINISHES.set(true);
        Finishing
    }

    pub(crate) fn finishes() -> bool {
        FINISHES.get()
    }

    pub(crate) fn has(bug: Bug) -> bool {
        BUG.load(Relaxed) == bug as u32
    }

    pub(crate) fn step(number: u32) {
        if DIES_AT.load(Relaxed) == number
            && PASSES.fetch_update(Relaxed, Relaxed, |passes| passes.checked_sub(1)).is_err()
        {
            std::process::abort();
        }
    }
}

/// A point at which a test may make the process die.
#[inline]
pub(crate) fn step(number: u32) {
    #[cfg(feature = "testing")]
    testing::step(number);
    let _ = number;
}
