//! One shard: its writer connection, its pool of readers, and how an operation gets one of them.

use super::armour::Guard;
use super::birth;
use super::connection::{self, Access, Durability};
use super::database::{Database, Hot};
use super::directory::{Directory, exists};
use super::idle::IdleWatch;
use super::retry::while_busy;
use super::row::{self, WriteTxn};
use super::sql;
use crate::contract::hash::KeyHash;
use crate::contract::key::KeyRef;
use crate::contract::record::Expiry;
use crate::contract::route::{ShardId, Slot};
use crate::contract::version::Version;
use crate::error::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Readers kept open per shard when nobody uses them.
const IDLE_READERS_MAX: usize = 4;

/// How a stash uses its shards.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The directory, or `None` for a stash in memory.
    pub(crate) directory: Option<Directory>,
    pub(crate) read_access: Access,
    pub(crate) durability: Durability,
    pub(crate) busy_timeout: Duration,
}

impl Settings {
    pub(crate) fn writable(&self) -> bool {
        matches!(self.read_access, Access::Read)
    }
}

/// The state of the one writer connection. Everything that writes in this process goes through its lock.
enum Writer {
    /// Not opened yet, or dropped after a failure.
    Idle,
    Open(Database),
    /// Closed for good.
    Closed,
}

/// Reader connections that nobody uses right now.
struct Readers {
    idle: Vec<Database>,
    closed: bool,
}

/// One shard of a stash.
pub(crate) struct Shard {
    id: ShardId,
    path: Option<PathBuf>,
    writer: Mutex<Writer>,
    readers: Mutex<Readers>,
    /// Taken with the first connection to the file, given up with the last.
    guard: Mutex<Option<Guard>>,
    idle: Arc<IdleWatch>,
}

impl Shard {
    pub(crate) fn new(id: ShardId, settings: &Settings, idle: Arc<IdleWatch>) -> Self {
        Self {
            id,
            path: settings.directory.as_ref().map(|directory| directory.shard_path(id)),
            writer: Mutex::new(Writer::Idle),
            readers: Mutex::new(Readers { idle: Vec::new(), closed: false }),
            guard: Mutex::new(None),
            idle,
        }
    }

    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// Runs `f` on a connection that reads. `None` if the shard does not exist.
    ///
    /// `f` runs again if SQLite was busy, so it must not have effects.
    pub(crate) fn read<T>(
        &self,
        settings: &Settings,
        mut f: impl FnMut(&mut Database) -> Result<T>,
    ) -> Result<Option<T>> {
        self.read_with(settings, |database| {
            let (result, keeps) = database.read_keeping(&mut f)?;
            if keeps {
                self.idle.wake();
            }
            Ok(result)
        })
    }

    /// In memory there is one connection, and its lock serves readers too.
    fn read_in_memory<T>(&self, f: impl FnOnce(&mut Database) -> Result<T>) -> Result<Option<T>> {
        match &mut *self.writer.lock() {
            Writer::Open(database) => f(database).map(Some),
            Writer::Idle => Ok(None),
            Writer::Closed => Err(closed()),
        }
    }

    /// Runs `f` on a reader from the pool, and again while SQLite is busy. `None` if the shard does not exist.
    fn read_with<T>(
        &self,
        settings: &Settings,
        mut f: impl FnMut(&mut Database) -> Result<T>,
    ) -> Result<Option<T>> {
        if self.path.is_none() {
            return self.read_in_memory(f);
        }
        while_busy(settings.busy_timeout, || {
            let Some(mut database) = self.take_reader(settings)? else { return Ok(None) };
            let result = f(&mut database);
            // After a failure of SQLite the next read opens another connection.
            if !result.as_ref().is_err_and(Error::is_from_sqlite) {
                self.return_reader(database);
            }
            result.map(Some)
        })
        .map_err(|error| self.located(error))
    }

    /// [`Shard::read`] inside one read transaction, so that everything `f` reads is one committed state.
    pub(crate) fn read_snapshot<T>(
        &self,
        settings: &Settings,
        mut f: impl FnMut(&mut Database) -> Result<T>,
    ) -> Result<Option<T>> {
        self.read_with(settings, |database| {
            database.end_kept()?;
            database.run(Hot::BeginRead)?;
            let transaction = Transaction(database);
            let result = f(transaction.0)?;
            // Dropping the transaction would end it as well; this way an error is heard.
            transaction.0.run(Hot::Commit)?;
            Ok(result)
        })
    }

    fn take_reader(&self, settings: &Settings) -> Result<Option<Database>> {
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
            Some(path) if exists(path)? => self.open_connection(path, settings, settings.read_access),
            _ => Ok(None),
        }
    }

    /// Opens a connection, and guards the shard with the first one.
    fn open_connection(
        &self,
        path: &std::path::Path,
        settings: &Settings,
        access: Access,
    ) -> Result<Option<Database>> {
        let opened = connection::open(path, self.id, access, settings.durability)?;
        if opened.as_ref().is_some_and(Database::shares_index) {
            let mut guard = self.guard.lock();
            if guard.is_none() {
                *guard = Guard::take(path)?;
            }
        }
        Ok(opened)
    }

    fn return_reader(&self, database: Database) {
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

    /// Runs `f` in a write transaction of this shard and commits. The shard is created if it does not exist.
    ///
    /// If `f` fails, nothing is written. If COMMIT fails the answer is `Indeterminate`, unless SQLite says
    /// for certain that it wrote no commit record.
    pub(crate) fn write<T>(
        &self,
        settings: &Settings,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<T> {
        self.with_database(settings, true, |database| transact(database, settings, f))?
            .ok_or_else(not_created)
    }

    /// [`Shard::write`], but `None` if the shard does not exist: then it is not created.
    pub(crate) fn write_existing<T>(
        &self,
        settings: &Settings,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.with_database(settings, false, |database| transact(database, settings, f))
    }

    /// Writes one row without a deadline, as [`Shard::write`] with a single put would, in one statement.
    pub(crate) fn put(
        &self,
        settings: &Settings,
        slot: Slot,
        hash: &KeyHash,
        key: KeyRef<'_>,
        body: &[u8],
        now_us: impl Fn() -> i64,
    ) -> Result<Version> {
        let put = |database: &mut Database| {
            let alone = while_busy(settings.busy_timeout, || {
                row::put_alone(database, slot, hash, key, body, Version::from_micros(now_us()))
            });
            match alone {
                Ok(Some(version)) => Ok(version),
                // The row's version is not below the clock: it has to be looked up and exceeded.
                Ok(None) => transact(database, settings, |txn| {
                    txn.put(slot, hash, key, Expiry::NEVER, body, now_us())
                }),
                // The statement commits by itself, so an I/O error may be that of the commit.
                Err(error) if error.kind() == ErrorKind::Io => Err(commit_failed(error)),
                Err(error) => Err(error),
            }
        };
        self.with_database(settings, true, put)?.ok_or_else(not_created)
    }

    /// Runs `f`, which writes, on the writer connection. `None` if the shard does not exist and is not to be created.
    fn with_database<T>(
        &self,
        settings: &Settings,
        create: bool,
        f: impl FnOnce(&mut Database) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut writer = self.writer.lock();
        let Some(database) = self.open_writer(&mut writer, settings, create)? else { return Ok(None) };
        let result = f(database);
        if let Err(error) = &result
            && must_reopen(error.kind())
        {
            // What this connection believes about the file can no longer be trusted.
            *writer = Writer::Idle;
        }
        result.map(Some).map_err(|error| self.located(error))
    }

    /// Runs `f` on the writer connection, outside a transaction. `None` if the shard does not exist.
    pub(crate) fn with_writer<T>(
        &self,
        settings: &Settings,
        f: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut writer = self.writer.lock();
        let Some(database) = self.open_writer(&mut writer, settings, false)? else { return Ok(None) };
        f(database.connection()).map(Some).map_err(|error| self.located(error))
    }

    fn open_writer<'w>(
        &self,
        writer: &'w mut Writer,
        settings: &Settings,
        create: bool,
    ) -> Result<Option<&'w mut Database>> {
        if !settings.writable() {
            return Err(Error::new(ErrorKind::ReadOnly, "the stash was opened read-only"));
        }
        if let Writer::Idle = writer {
            let opened = match &self.path {
                None if create => Some(connection::open_in_memory(self.id)?),
                None => None,
                Some(path) => {
                    self.open_writer_file(path, settings, create).map_err(|error| self.located(error))?
                }
            };
            match opened {
                Some(database) => *writer = Writer::Open(database),
                None => return Ok(None),
            }
        }
        match writer {
            Writer::Open(database) => Ok(Some(database)),
            _ => Err(closed()),
        }
    }

    fn open_writer_file(
        &self,
        path: &std::path::Path,
        settings: &Settings,
        create: bool,
    ) -> Result<Option<Database>> {
        let born = exists(path)?;
        if !born {
            if !create {
                return Ok(None);
            }
            birth::create(path, self.id)?;
        }
        let opened =
            while_busy(settings.busy_timeout, || self.open_connection(path, settings, Access::Write))?;
        // Without it a power cut may take the file's name, which at `Normal` is a loss of
        // newest writes like any other.
        if !born
            && settings.durability == Durability::Full
            && let Some(directory) = &settings.directory
        {
            directory.sync()?;
        }
        Ok(opened)
    }

    /// Says in which shard it was, unless the caller is about to hear that the handle is closed.
    fn located(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Closed | ErrorKind::ReadOnly => error,
            _ if error.message().contains("shard") => error,
            _ => error.context(format_args!("shard {}", self.id)),
        }
    }

    /// Whether this handle has a connection open that writes.
    pub(crate) fn is_written(&self) -> bool {
        matches!(*self.writer.lock(), Writer::Open(_))
    }

    /// Closes every connection. The writer goes last and leaves no WAL behind if no
    /// other process uses the shard.
    pub(crate) fn close(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        {
            let mut readers = self.readers.lock();
            readers.closed = true;
            // The last connection goes after the guard was released, so that it can remove the log.
            let last = usize::from(!matches!(*writer, Writer::Open(_)));
            readers.idle.truncate(last);
            if let Some(reader) = readers.idle.pop() {
                self.release_guard();
                drop(reader);
            }
        }
        let Writer::Open(database) = std::mem::replace(&mut *writer, Writer::Closed) else {
            self.guard.lock().take();
            return Ok(());
        };
        if self.path.is_some() {
            // A checkpoint that others keep from finishing loses nothing: the WAL stays and they finish it.
            match checkpoint(database.connection()) {
                Err(error) if error.kind() != ErrorKind::Busy => return Err(self.located(error)),
                _ => {}
            }
        }
        self.release_guard();
        let closed = database.close().map_err(|error| self.located(error));
        self.guard.lock().take();
        closed
    }

    fn release_guard(&self) {
        if let Some(guard) = &*self.guard.lock() {
            guard.release();
        }
    }

    /// Lets go of every connection without a single call into SQLite: all that is safe in a forked child.
    pub(crate) fn abandon(&self) {
        // The locks may be held by threads that do not exist in the child.
        if let Some(mut writer) = self.writer.try_lock() {
            std::mem::forget(std::mem::replace(&mut *writer, Writer::Closed));
        }
        if let Some(mut readers) = self.readers.try_lock() {
            readers.closed = true;
            std::mem::forget(std::mem::take(&mut readers.idle));
        }
    }
}

/// Copies the WAL into the database file and empties it. `Busy` if readers or other processes are in the way.
pub(crate) fn checkpoint(connection: &Connection) -> Result<()> {
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy { Err(Error::new(ErrorKind::Busy, "the checkpoint could not finish")) } else { Ok(()) }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the stash is closed")
}

fn not_created() -> Error {
    Error::new(ErrorKind::Internal, "a shard was not created")
}

/// After these the writer connection is dropped and opened anew by the next write.
fn must_reopen(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Indeterminate | ErrorKind::Io | ErrorKind::NotAStash | ErrorKind::Internal)
}

/// Rolls back when dropped, also by a panic, unless the transaction has ended.
struct Transaction<'a>(&'a mut Database);

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let connection = self.0.connection();
        if !connection.is_autocommit()
            && let Err(error) =
                connection.prepare_cached(sql::ROLLBACK).and_then(|mut rollback| rollback.execute([]))
        {
            tracing::warn!(%error, "a rollback failed");
        }
    }
}

fn transact<T>(
    database: &mut Database,
    settings: &Settings,
    f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T>,
) -> Result<T> {
    while_busy(settings.busy_timeout, || database.run(Hot::Begin))?;
    let transaction = Transaction(database);
    let result = f(&mut WriteTxn::begun(transaction.0))?;
    if transaction.0.connection().is_autocommit() {
        // Some errors roll the whole transaction back (<https://www.sqlite.org/lang_transaction.html>); one
        // of them was swallowed on the way here.
        return Err(Error::new(ErrorKind::Internal, "the transaction ended before its commit"));
    }
    transaction.0.run(Hot::Commit).map_err(commit_failed)?;
    Ok(result)
}

/// A commit that failed may still be found after a crash: part of it can have reached the WAL.
///
/// Only a full disk is certain: SQLite reports it when a write was refused, and a commit counts only once its
/// last frame is whole in the WAL. See `docs/adr/0003-failed-commit.md`.
fn commit_failed(error: Error) -> Error {
    if error.kind() == ErrorKind::DiskFull {
        return error;
    }
    Error::new(
        ErrorKind::Indeterminate,
        "the commit failed; whether it took effect is unknown until the key is read again",
    )
    .with_source(error)
}
