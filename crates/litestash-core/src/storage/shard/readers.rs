//! Reading a shard: the pool of connections, and what the cache learns from it.

use super::{Shard, Transaction, closed};
use crate::contract::key::KeyRef;
use crate::contract::record::Record;
use crate::contract::route::Place;
use crate::contract::version::Version;
use crate::error::{Error, Result};
use crate::storage::cache::{Content, Entry};
use crate::storage::database::{Database, Hot};
use crate::storage::directory::exists;
use crate::storage::retry::while_busy;
use crate::storage::row;
use crate::storage::shard::Writer;
use crate::storage::worker::When;

/// Readers kept open per shard when nobody uses them.
const IDLE_READERS_MAX: usize = 4;

/// Reader connections that nobody uses right now.
#[derive(Default)]
pub(super) struct Readers {
    idle: Vec<Database>,
    pub(super) closed: bool,
}

impl Readers {
    pub(super) fn close(&mut self) -> Vec<Database> {
        self.closed = true;
        self.take_idle()
    }

    pub(super) fn take_idle(&mut self) -> Vec<Database> {
        std::mem::take(&mut self.idle)
    }
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
        let found = self.read_with(|database| {
            // Before the reader decides whether its transaction is new enough.
            let before = database.header().filter(|_| self.cache.is_on());
            let mut content = None;
            let (found, keeps) = database.read_keeping(|database| {
                row::get(database, place.route.slot, &place.hash, |row| {
                    let record = row.record(&self.settings.format, place)?;
                    let answer = f(row.version, &record)?;
                    content = before.map(|_| Content::of(row.version, &record));
                    Ok(answer)
                })
            })?;
            if keeps {
                self.workers.idle.want(self.id, When::Later);
            }
            let is_current = || database.header() == before;
            if let Some(before) = before
                && is_current()
            {
                let entry = Entry { key: key.to_owned(), shard: self.id, content };
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
        self.read_with(|database| {
            let (result, keeps) = database.read_keeping(&mut f)?;
            if keeps {
                self.workers.idle.want(self.id, When::Later);
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
    pub(super) fn read_with<T>(&self, mut f: impl FnMut(&mut Database) -> Result<T>) -> Result<Option<T>> {
        if self.path.is_none() {
            return self.read_in_memory(f);
        }
        while_busy(self.settings.busy_timeout, || {
            let Some(mut database) = self.take_reader()? else { return Ok(None) };
            let result = f(&mut database);
            // After a failure of SQLite the next read opens another connection.
            if !result.as_ref().is_err_and(Error::is_from_sqlite) {
                self.return_reader(database);
            }
            result.map(Some)
        })
        .map_err(|error| self.located(error))
    }

    pub(super) fn take_reader(&self) -> Result<Option<Database>> {
        {
            let mut readers = self.readers.lock();
            if readers.closed {
                return Err(closed());
            }
            if let Some(database) = readers.idle.pop() {
                return Ok(Some(database));
            }
        }
        match &self.path {
            Some(path) if exists(path)? => self.open_connection(path, self.settings.read_access),
            _ => Ok(None),
        }
    }

    pub(super) fn return_reader(&self, database: Database) {
        let mut readers = self.readers.lock();
        if !readers.closed && readers.idle.len() < IDLE_READERS_MAX {
            readers.idle.push(database);
        }
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
