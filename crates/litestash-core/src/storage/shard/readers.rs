//! Reading a shard: the pool of connections, and what the cache learns from it.

use super::{Shard, Transaction, closed};
use crate::contract::key::KeyRef;
use crate::contract::msgpack;
use crate::contract::record::Record;
use crate::contract::route::Place;
use crate::contract::version::Version;
use crate::error::{Error, Result};
use crate::storage::cache::{Content, Entry};
use crate::storage::database::{Database, Hot};
use crate::storage::retry::while_busy;
use crate::storage::row;
use crate::storage::shard::Writer;
use crate::storage::worker::When;
use std::sync::Arc;

/// Readers kept open per shard when nobody uses them.
const IDLE_READERS_MAX: usize = 4;

/// Reads of a shard after which it is looked whether the stash has got a journal.
const READS_BETWEEN_LOOKS: u32 = 256;

/// Reader connections that nobody uses right now.
#[derive(Default)]
pub(super) struct Readers {
    idle: Vec<Database>,
    pub(super) closed: bool,
    /// How often one was taken.
    taken: u32,
    /// Readers that are being opened or used.
    pub(super) out: usize,
    /// Grows when the files are given up: readers of an earlier generation are not used again.
    generation: u64,
}

/// A reader connection in use. Goes back when dropped.
pub(super) struct Borrowed<'a> {
    shard: &'a Shard,
    /// Empty while it is being opened, and if it is not to be used again.
    database: Option<Database>,
    generation: u64,
}

impl Borrowed<'_> {
    /// The connection.
    pub(super) fn database(&mut self) -> Option<&mut Database> {
        self.database.as_mut()
    }

    /// Closes the connection instead of giving it back.
    fn spoil(mut self) {
        self.database = None;
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            let mut readers = self.shard.readers.lock();
            if !readers.closed
                && readers.generation == self.generation
                && readers.idle.len() < IDLE_READERS_MAX
            {
                readers.idle.push(database);
                readers.out -= 1;
                return;
            }
            drop(readers);
            drop(database);
        }
        self.shard.readers.lock().out -= 1;
    }
}

impl Readers {
    pub(super) fn close(&mut self) -> Vec<Database> {
        self.closed = true;
        self.take_idle()
    }

    /// Makes sure that no reader there is now is used again, and takes those that nobody uses.
    pub(super) fn give_up(&mut self) -> Vec<Database> {
        self.generation += 1;
        self.take_idle()
    }

    /// Whether there are none, not even in use.
    pub(super) fn is_empty(&self) -> bool {
        self.out == 0 && self.idle.is_empty()
    }

    pub(super) fn take_idle(&mut self) -> Vec<Database> {
        std::mem::take(&mut self.idle)
    }
}

/// What came of reading.
enum Read<T> {
    Done(T),
    /// The bucket was dropped; the generation of the connection that found it.
    Dropped(u64),
}

impl Shard {
    /// Calls `f` with the row of a key, its checksum checked, and keeps the row in the cache. `None` if there
    /// is no row, or no shard.
    ///
    /// `f` runs again if SQLite was busy, so it must not have effects.
    pub(crate) fn read_row<T>(
        &self,
        key: KeyRef<'_>,
        place: &Place,
        mut f: impl FnMut(Version, &Record<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.catch_up();
        let found = self.read_with(|database| {
            // Before the reader decides whether its transaction is new enough.
            let before = database.header().filter(|_| self.view.keeps());
            // `None` if the row is not one to be kept.
            let mut known = before.map(|_| None);
            let (found, keeps) = database.read_keeping(|database| {
                row::get(database, place.route.slot, &place.hash, |row| {
                    let record = row.record(&self.settings.format, place)?;
                    let answer = f(row.version, &record)?;
                    // What is kept is not looked at again.
                    known = before
                        .filter(|_| msgpack::validate(&record.body).is_ok())
                        .map(|_| Some(Content::of(row.version, &record)));
                    Ok(answer)
                })
            })?;
            if keeps {
                self.workers.idle.want(self, When::Later);
            }
            if self.is_in_bucket() && database.is_dropped()? {
                // Nothing is known of the bucket that may be there now.
                return Ok(None);
            }
            let is_current = || database.header() == before;
            if let (Some(before), Some(content)) = (before, known)
                && is_current()
            {
                let entry = Entry { key: key.to_owned(), view: Arc::clone(&self.view), content };
                self.cache.fill(&before, is_current, entry);
            }
            Ok(found)
        })?;
        Ok(found.flatten())
    }

    /// Runs `f` on a connection that reads, once what waits to be written is written. `None` if the shard
    /// does not exist.
    ///
    /// `f` runs again if SQLite was busy, so it must not have effects.
    pub(crate) fn read<T>(&self, mut f: impl FnMut(&mut Database) -> Result<T>) -> Result<Option<T>> {
        self.flush()?;
        self.catch_up();
        self.read_with(|database| {
            let (result, keeps) = database.read_keeping(&mut f)?;
            if keeps {
                self.workers.idle.want(self, When::Later);
            }
            Ok(result)
        })
    }

    /// [`Shard::read`] inside one read transaction, so that everything `f` reads is one committed state.
    pub(crate) fn read_snapshot<T>(
        &self,
        mut f: impl FnMut(&mut Database) -> Result<T>,
    ) -> Result<Option<T>> {
        self.flush()?;
        self.catch_up();
        self.read_with(|database| {
            database.end_kept()?;
            database.run(Hot::BeginRead)?;
            let transaction = Transaction(database);
            let result = f(transaction.0)?;
            // Dropping the transaction would end it as well; this way an error is heard.
            transaction.0.run(Hot::Commit)?;
            Ok(result)
        })
    }

    /// In memory there is one connection, and its lock serves readers too.
    fn read_in_memory<T>(&self, f: impl FnOnce(&mut Database) -> Result<T>) -> Result<Option<T>> {
        match &mut *self.writer.lock() {
            Writer::Open(open) => f(&mut open.database).map(Some),
            Writer::Idle => Ok(None),
            Writer::Closed => Err(closed()),
        }
    }

    /// Runs `f` on a reader from the pool, and again while SQLite is busy. `None` if the shard does not exist.
    pub(in crate::storage) fn read_with<T>(
        &self,
        mut f: impl FnMut(&mut Database) -> Result<T>,
    ) -> Result<Option<T>> {
        if self.path.is_none() {
            return self.read_in_memory(f);
        }
        loop {
            let read = while_busy(self.settings.busy_timeout, || self.read_once(&mut f));
            match read.map_err(|error| self.located(error))? {
                Some(Read::Dropped(generation)) => self.leave_dropped(generation),
                Some(Read::Done(answer)) => return Ok(Some(answer)),
                None => return Ok(None),
            }
        }
    }

    fn read_once<T>(&self, f: &mut impl FnMut(&mut Database) -> Result<T>) -> Result<Option<Read<T>>> {
        let Some(mut reader) = self.take_reader()? else { return Ok(None) };
        let Some(database) = &mut reader.database else { return Ok(None) };
        let result = f(database).and_then(|answer| {
            // Asked afterwards: what was read from a bucket not dropped by now was read before its end.
            let is_dropped = self.is_in_bucket() && database.is_dropped()?;
            Ok(if is_dropped { Read::Dropped(reader.generation) } else { Read::Done(answer) })
        });
        // After a failure of SQLite the next read opens another connection.
        if result.as_ref().is_err_and(Error::is_from_sqlite) {
            reader.spoil();
        }
        result.map(Some)
    }

    /// Drops the connections to a bucket that was dropped, unless another has done so.
    fn leave_dropped(&self, generation: u64) {
        let _waker = self.hub.waker();
        let mut writer = self.writer.lock();
        if self.readers.lock().generation == generation {
            self.let_go(&mut writer);
        }
    }

    pub(super) fn take_reader(&self) -> Result<Option<Borrowed<'_>>> {
        let looks;
        let mut reader = {
            let mut readers = self.readers.lock();
            if readers.closed {
                return Err(closed());
            }
            readers.out += 1;
            readers.taken = readers.taken.wrapping_add(1);
            looks = readers.taken % READS_BETWEEN_LOOKS == 1;
            Borrowed { shard: self, database: readers.idle.pop(), generation: readers.generation }
        };
        self.view.touch();
        if looks || reader.database.is_none() {
            self.find_journal();
        }
        if reader.database.is_none() {
            reader.database = self.open_connection(self.settings.read_access, false)?;
        }
        Ok(reader.database.is_some().then_some(reader))
    }

    /// Ends the read transactions that idle readers keep open: all of them, or those not used since the last
    /// time. Returns whether any is left.
    pub(crate) fn end_idle(&self, all: bool) -> bool {
        let mut readers = self.readers.lock();
        readers.idle.retain_mut(|database| {
            let idle = database.keeps() && (all || !database.take_used());
            // A connection that cannot even end a read is dropped.
            !idle || database.end_kept().is_ok()
        });
        readers.idle.iter().any(Database::keeps)
    }
}
