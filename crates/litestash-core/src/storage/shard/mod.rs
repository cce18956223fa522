//! One shard: its writer connection, its pool of readers, and how an operation gets one of them.

mod burst;
mod checkpoint;
mod commit;
mod log_file;
mod readers;
mod relaxed;
mod submit;

use super::armour::{self, Guard, Held};
use super::cache::ReadCache;
use super::connection::{self, Access};
use super::database::Database;
use super::directory::Directory;
use super::pending::Pending;
use super::permits::Permits;
use super::queue::CommitQueue;
use super::sql;
use super::worker::Worker;
use crate::contract::format::Format;
use crate::contract::route::ShardId;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use burst::Burst;
use checkpoint::Log;
use log_file::LogFile;
use readers::Readers;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use checkpoint::checkpoint;
pub(crate) use commit::Put;
pub(crate) use relaxed::Later;
pub(crate) use submit::Submission;

/// Bytes of writes that wait for another thread's commit, per shard.
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// How a stash uses its shards.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The directory, or `None` for a stash in memory.
    pub(crate) directory: Option<Directory>,
    pub(crate) read_access: Access,
    pub(crate) busy_timeout: Duration,
    pub(crate) format: Format,
}

impl Settings {
    pub(crate) fn writable(&self) -> bool {
        matches!(self.read_access, Access::Read)
    }
}

/// What the shards of a stash share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) settings: Arc<Settings>,
    pub(crate) cache: Arc<ReadCache>,
    pub(crate) workers: Workers,
    /// Commits that are synced at once. More would not be faster, and fewer share more.
    pub(crate) syncs: Arc<Permits>,
}

/// [`Common::syncs`].
pub(crate) const SYNCS_MAX: usize = 4;

/// The threads of a stash. None of them runs before there is something for it to do.
#[derive(Clone)]
pub(crate) struct Workers {
    /// Ends read transactions that are kept open and not used, so that checkpoints are not held up, and gives
    /// back locks that were kept for the next commit.
    idle: Arc<Worker>,
    /// Writes what waits.
    flushes: Arc<Worker>,
    checkpoints: Arc<Worker>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let worker = |name, period, work| Arc::new(Worker::new(name, Duration::from_millis(period), work));
        Self {
            idle: worker("litestash-idle", 4, |shard, _| {
                shard.settle_locks();
                shard.end_idle(false)
            }),
            flushes: worker("litestash-flush", 5, |shard, _| shard.flush_in_background()),
            checkpoints: worker("litestash-checkpoint", 500, Shard::checkpoint_in_background),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> [&Arc<Worker>; 3] {
        [&self.idle, &self.flushes, &self.checkpoints]
    }
}

/// The state of the one writer connection. Everything that writes in this process goes through its lock.
enum Writer {
    /// Not opened yet, or dropped after a failure.
    Idle,
    Open(Box<OpenWriter>),
    /// Closed for good.
    Closed,
}

struct OpenWriter {
    database: Database,
    /// Whether its commits are synced.
    syncs: bool,
    /// Looked for by the first commit that is synced.
    log_file: Option<LogFile>,
    /// Whether the names of the file and its log were made durable.
    names_synced: bool,
    burst: Burst,
}

/// One shard of a stash.
pub(crate) struct Shard {
    id: ShardId,
    path: Option<PathBuf>,
    settings: Arc<Settings>,
    cache: Arc<ReadCache>,
    queue: CommitQueue<submit::Job>,
    pending: Pending,
    writer: Mutex<Writer>,
    readers: Mutex<Readers>,
    log: Log,
    workers: Workers,
    syncs: Arc<Permits>,
    /// Taken with the first connection to the file, given up with the last.
    guard: Mutex<Option<Guard>>,
    /// Locks that the kernel keeps for the next commit.
    held: Mutex<Option<Held>>,
}

impl Shard {
    pub(crate) fn new(id: ShardId, common: &Common) -> Self {
        let Common { settings, cache, workers, syncs } = common.clone();
        Self {
            id,
            path: settings.directory.as_ref().map(|directory| directory.shard_path(id)),
            settings,
            cache,
            queue: CommitQueue::new(QUEUE_BYTES_MAX),
            pending: Pending::default(),
            writer: Mutex::new(Writer::Idle),
            readers: Mutex::new(Readers::default()),
            log: Log::default(),
            workers,
            syncs,
            guard: Mutex::new(None),
            held: Mutex::new(None),
        }
    }

    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// Opens a connection to the shard's file, and guards the shard with the first one.
    fn open_connection(&self, path: &Path, access: Access) -> Result<Option<Database>> {
        let opened = connection::open(path, self.id, self.settings.format.stash_id(), access)?;
        if opened.as_ref().is_some_and(Database::shares_index) {
            let mut guard = self.guard.lock();
            if guard.is_none() {
                let taken = Guard::take(path)?;
                if let Some(page) = taken.as_ref().and_then(Guard::index_page) {
                    self.cache.attach(self.id, page);
                }
                *guard = taken;
            }
        }
        Ok(opened)
    }

    /// Gives back the locks that are kept for the next commit.
    fn settle_locks(&self) {
        if let Some(held) = self.held.lock().take() {
            armour::settle(held);
        }
    }

    fn release_guard(&self) {
        self.settle_locks();
        if let Some(guard) = &*self.guard.lock() {
            guard.release();
        }
    }

    /// Whether the shard's files are still those that were opened. If not, a commit would go to files that
    /// nobody finds again.
    fn is_in_place(&self) -> bool {
        self.guard.lock().as_ref().is_none_or(Guard::still_named)
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

    /// Refuses small writes from now on, waits until those under way are done, and writes what waits.
    pub(crate) fn drain(&self) -> Result<()> {
        self.queue.close();
        self.pending.close();
        self.flush()
    }

    /// Drops every connection, so that the next operation opens the files that are there then.
    fn reopen_later(&self) {
        let mut writer = self.writer.lock();
        self.cache.lose(self.id);
        self.release_guard();
        drop(self.readers.lock().take_idle());
        if let Writer::Open(_) = &*writer {
            *writer = Writer::Idle;
        }
        self.guard.lock().take();
    }

    /// Closes every connection. The writer goes last and leaves no WAL behind if no
    /// other process uses the shard. Only after the cache was closed.
    pub(crate) fn close(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let mut readers = self.readers.lock().close();
        let open = match std::mem::replace(&mut *writer, Writer::Closed) {
            Writer::Open(open) => Some(open),
            _ => None,
        };
        // The last connection goes after the guard was released, so that it can remove the log.
        readers.truncate(usize::from(open.is_none()));
        let closed = open.map_or(Ok(()), |open| {
            let moved = if self.path.is_some() { self.checkpoint_at_close(&open) } else { Ok(()) };
            self.release_guard();
            moved.and(open.database.close()).map_err(|error| self.located(error))
        });
        self.release_guard();
        drop(readers);
        self.guard.lock().take();
        closed
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the stash is closed")
}

fn not_created() -> Error {
    Error::new(ErrorKind::Internal, "a shard was not created")
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
