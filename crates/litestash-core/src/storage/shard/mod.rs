//! One shard: its writer connection, its pool of readers, and how an operation gets one of them.

mod accesses;
mod bounded;
mod burst;
mod checkpoint;
mod commit;
mod marks;
mod part;
mod readers;
mod redo;
mod relaxed;
mod rest;
mod restore;
mod submit;
mod sweep;
mod synced;
mod watched;

use super::armour::{self, Begun, Guard, Held};
use super::bounds::Bounds;
use super::cache::{Changes, Group, ReadCache, ShardView};
use super::connect::{Wanted, connect};
use super::connection::{self, Access};
use super::database::Database;
use super::descriptors::{self, Counted, Descriptors};
use super::directory::{Directory, exists};
use super::events::{Change, Hub, Origin};
use super::expiring::Expiring;
use super::journal::Journal;
use super::pending::Pending;
use super::permits::Permits;
use super::queue::CommitQueue;
use super::sql;
use super::sync_log::SyncLog;
use super::wal_index::{Header, LogState};
use super::worker::{Asked, When, Worker};
use crate::contract::format::Format;
use crate::contract::hash::KeyHash;
use crate::contract::limits::SHARDS;
use crate::contract::route::{Place, Route, ShardId, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use burst::Burst;
use checkpoint::Log;
use marks::KnownMarks;
use readers::Readers;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use sweep::Due;

pub(crate) use accesses::Accesses;
pub(crate) use checkpoint::checkpoint;
pub(crate) use marks::{Counters, Marks};
pub(crate) use part::Part;
#[cfg(feature = "testing")]
pub(crate) use rest::testing;
pub(crate) use submit::Submission;
pub(crate) use sweep::OldRow;
pub(crate) use watched::Logged;

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

/// What the shards of a stash share with those of its buckets.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) cache: Arc<ReadCache>,
    pub(crate) workers: Arc<Workers>,
    /// Commits that are synced at once. More would not be faster, and fewer share more.
    pub(crate) syncs: Arc<Permits>,
    pub(crate) descriptors: Arc<Descriptors>,
    pub(crate) expiring: Arc<Expiring>,
}

/// The shards of a stash, or of a bucket.
pub(crate) type ShardGroup = [Shard; SHARDS];

/// How the shards of a group use what they share.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) settings: Arc<Settings>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) hub: Arc<Hub>,
    /// Where synced commits of several shards share a sync, if anywhere.
    pub(crate) sync_log: Option<Arc<SyncLog>>,
    /// The limits that are to be kept, if any.
    pub(crate) bounds: Option<Arc<Bounds>>,
    pub(crate) group: Group,
    /// Whether rows are kept in the cache that are not waiting to be written.
    pub(crate) cached: bool,
}

/// [`Common::syncs`].
pub(crate) const SYNCS_MAX: usize = 4;

/// The threads of a stash. None of them runs before there is something for it to do.
pub(crate) struct Workers {
    /// Ends read transactions that are kept open and not used, so that checkpoints are not held up, and gives
    /// back locks that were kept for the next commit.
    idle: Arc<Worker>,
    /// Writes what waits.
    flushes: Arc<Worker>,
    checkpoints: Arc<Worker>,
    /// Writes uses of rows with a sliding deadline, and removes expired rows.
    expiry: Arc<Worker>,
    /// Does what transactions left undone whose process died, and empties the journal.
    journal: Arc<Worker>,
    /// Closes shards that nobody uses.
    rests: Arc<Worker>,
    /// Evicts ahead of need, and writes uses. Only in a stash with limits.
    upkeep: Arc<Worker>,
    /// Syncs logs of which the sync log has commits.
    settling: Arc<Worker>,
}

/// How many [`Workers`] there are.
const WORKERS: usize = 8;

impl Workers {
    pub(crate) fn new() -> Self {
        let worker = |index, name, period, work| {
            Arc::new(Worker::new(name, index, Duration::from_millis(period), work))
        };
        Self {
            idle: worker(0, "litestash-idle", 4, |shard, _| {
                shard.settle_locks();
                shard.end_idle(false)
            }),
            flushes: worker(1, "litestash-flush", 5, |shard, _| shard.flush_in_background()),
            checkpoints: worker(2, "litestash-checkpoint", 500, Shard::checkpoint_in_background),
            rests: worker(3, "litestash-rest", rest::period_ms(), |shard, _| shard.rest_in_background()),
            expiry: worker(4, "litestash-expiry", 50, |shard, _| shard.look_after_expiry()),
            journal: worker(5, "litestash-journal", 250, |shard, _| shard.tend_journal()),
            upkeep: worker(6, "litestash-upkeep", 1000, Shard::upkeep_in_background),
            settling: worker(7, "litestash-settle", 250, |shard, _| shard.settle_in_background()),
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> [&Arc<Worker>; WORKERS] {
        let Self { idle, flushes, checkpoints, rests, expiry, journal, upkeep, settling } = self;
        [idle, flushes, checkpoints, rests, expiry, journal, upkeep, settling]
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
    /// Whether the names of the file and its log were made durable.
    names_synced: bool,
    /// How the log was with the last commit that was synced, if nobody else committed before it.
    durable: Option<LogState>,
    burst: Burst,
    known: KnownMarks,
    /// The header when the `expiry` table was last asked when rows are due.
    due_known_at: Option<Header>,
    /// Pages of the file after the last transaction, and how many of them hold nothing. Only with limits.
    pages: (u32, u32),
}

/// One shard of a stash.
pub(crate) struct Shard {
    id: ShardId,
    /// Those among which this one is.
    members: Weak<ShardGroup>,
    path: Option<PathBuf>,
    settings: Arc<Settings>,
    cache: Arc<ReadCache>,
    journal: Arc<Journal>,
    view: Arc<ShardView>,
    queue: CommitQueue<submit::Job>,
    pending: Pending,
    writer: Mutex<Writer>,
    readers: Mutex<Readers>,
    log: Log,
    workers: Arc<Workers>,
    /// Which of the workers this shard waits for.
    asked: [Asked; WORKERS],
    syncs: Arc<Permits>,
    /// Where synced commits of several shards share a sync, if anywhere.
    sync_log: Option<Arc<SyncLog>>,
    expiring: Arc<Expiring>,
    accesses: Accesses,
    due: Due,
    hub: Arc<Hub>,
    descriptors: Arc<Descriptors>,
    /// Whether `descriptors` has it in its list.
    listed: AtomicBool,
    /// The limits that are to be kept, if any.
    bounds: Option<Arc<Bounds>>,
    /// Taken with the first connection to the file, given up with the last.
    guard: Mutex<Option<Box<Guarded>>>,
    /// Locks that the kernel keeps for the next commit.
    held: Mutex<Option<Held>>,
    /// Whether those that were kept last were given back.
    gave_back: AtomicBool,
}

/// A guard whose descriptors are counted.
struct Guarded {
    guard: Guard,
    _counted: Counted,
}

impl Shard {
    /// The shards of a group.
    pub(crate) fn group_of(member: &Member, common: &Common) -> Arc<ShardGroup> {
        Arc::new_cyclic(|members| {
            ShardId::all_array().map(|id| Self::new(id, members.clone(), member.clone(), common.clone()))
        })
    }

    fn new(id: ShardId, members: Weak<ShardGroup>, member: Member, common: Common) -> Self {
        let Member { settings, journal, hub, sync_log, bounds, group, cached } = member;
        let Common { cache, workers, syncs, descriptors, expiring } = common;
        let writable = settings.writable();
        let view = Arc::new(cache.view(
            group,
            id,
            Arc::clone(journal.view()),
            cached && settings.directory.is_some(),
        ));
        let frames_max = bounds.as_ref().and_then(|bounds| Some(bounds.budget?.frames));
        Self {
            id,
            members,
            path: settings.directory.as_ref().map(|directory| directory.shard_path(id)),
            settings,
            cache,
            journal,
            view,
            queue: CommitQueue::new(QUEUE_BYTES_MAX),
            pending: Pending::default(),
            writer: Mutex::new(Writer::Idle),
            readers: Mutex::new(Readers::default()),
            log: Log::new(frames_max),
            workers,
            asked: Default::default(),
            syncs,
            sync_log,
            descriptors,
            listed: AtomicBool::new(false),
            accesses: Accesses::new(writable, expiring.in_background),
            expiring,
            due: Due::new(),
            hub,
            bounds,
            guard: Mutex::new(None),
            held: Mutex::new(None),
            gave_back: AtomicBool::new(false),
        }
    }

    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// How keys and records are stored.
    #[inline]
    pub(super) fn format(&self) -> &Format {
        &self.settings.format
    }

    /// The place of a row found in this shard.
    #[inline]
    pub(super) fn place(&self, slot: Slot, hash: &KeyHash) -> Place {
        Place { hash: *hash, route: Route { shard: self.id, slot } }
    }

    /// Those among which this one is.
    pub(super) fn group(&self) -> &Weak<ShardGroup> {
        &self.members
    }

    /// Whether it waits for that worker.
    pub(super) fn asked(&self, worker: usize) -> &Asked {
        &self.asked[worker]
    }

    /// The limits that are to be kept, if any.
    pub(super) fn bounds(&self) -> Option<&Bounds> {
        self.bounds.as_deref()
    }

    /// The shard as the cache sees it.
    pub(crate) fn view(&self) -> &ShardView {
        &self.view
    }

    /// [`Shard::view`], to be kept.
    pub(super) fn shared_view(&self) -> Arc<ShardView> {
        Arc::clone(&self.view)
    }

    /// Whether it is a bucket's, whose files may be dropped by others.
    fn is_in_bucket(&self) -> bool {
        self.settings.directory.as_ref().is_some_and(|directory| directory.buckets().is_some())
    }

    /// Opens a connection to the shard's file, and guards the shard with the first one. `None` if there is no
    /// file, and it is not to be created.
    fn open_connection(&self, access: Access, creates: bool) -> Result<Option<Database>> {
        let (Some(directory), Some(path)) = (&self.settings.directory, &self.path) else { return Ok(None) };
        self.descriptors.make_room(self);
        self.descriptors.enlist(self);
        self.leave_replaced_journal();
        let wanted = Wanted {
            shard: self.id,
            stash: self.settings.format.stash_id(),
            access,
            creates,
            counted: self.bounds.is_some(),
            timeout: self.settings.busy_timeout,
            guarded: access != Access::Immutable && self.guard.lock().is_none(),
        };
        let guarded = |database: &Database, begun: Option<Begun>| {
            if !database.shares_index() {
                return Ok(());
            }
            let mut guard = self.guard.lock();
            if guard.is_none()
                && let Some(taken) = Guard::take(path, begun)?
            {
                if let Some(page) = taken.index_page() {
                    self.view.attach(page);
                }
                let counted = self.descriptors.count(descriptors::OF_SHARD);
                *guard = Some(Box::new(Guarded { guard: taken, _counted: counted }));
            }
            Ok(())
        };
        let mut opened = match connect(directory, wanted, guarded) {
            Err(error) if self.bounds.as_ref().is_some_and(|bounds| bounds.give_up_reserve(error.kind())) => {
                connect(directory, wanted, guarded)?
            }
            opened => opened?,
        };
        if let Some(database) = &mut opened
            && let Some(budget) = self.bounds.as_ref().and_then(|bounds| bounds.budget)
        {
            database.keep_below(budget.frames / 2);
            if access == Access::Write {
                connection::limit_log(database.connection(), &budget)?;
            }
        }
        Ok(opened.map(|mut database| {
            database.set_counted(self.descriptors.count(descriptors::OF_CONNECTION));
            self.view.touch();
            if self.expiring.in_background {
                self.workers.rests.want(self, When::Later);
            }
            database
        }))
    }

    /// Gives back the locks that are kept for the next commit.
    fn settle_locks(&self) {
        let mut kept = self.held.lock();
        if let Some(held) = kept.take() {
            self.gave_back.store(true, Ordering::Release);
            drop(kept);
            armour::settle(held);
        }
    }

    fn release_guard(&self) {
        self.settle_locks();
        if let Some(guarded) = &*self.guard.lock() {
            guarded.guard.release();
        }
    }

    /// Whether the shard's files are still those that were opened. If not, a commit would go to files that
    /// nobody finds again.
    fn is_in_place(&self) -> bool {
        self.guard.lock().as_ref().is_none_or(|guarded| guarded.guard.still_named())
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

    /// Whether `descriptors` is to add it to its list: it is in none.
    pub(super) fn become_listed(&self) -> bool {
        !self.listed.swap(true, Ordering::SeqCst)
    }

    /// `descriptors` has taken it off its list.
    pub(super) fn leave_list(&self) {
        self.listed.store(false, Ordering::SeqCst);
    }

    /// Whether it was used since this was last asked.
    pub(super) fn take_used(&self) -> bool {
        self.view.take_used()
    }

    /// Refuses small writes from now on, waits until those under way are done, and writes what waits.
    pub(crate) fn drain(&self) -> Result<()> {
        self.queue.close();
        self.pending.close();
        self.flush().and(self.write_accesses())
    }

    /// Drops every connection, so that the next operation opens the files that are there then.
    fn reopen_later(&self) {
        let _waker = self.hub.waker();
        self.let_go(&mut self.writer.lock());
    }

    /// [`Shard::reopen_later`], by the holder of the writer's lock.
    fn let_go(&self, writer: &mut Writer) {
        let guarded = self.give_up_files();
        if let Writer::Open(_) = writer {
            *writer = Writer::Idle;
            self.tell_dropped();
        }
        drop(guarded);
    }

    /// Tells subscribers that the rows of a bucket's files are gone, of which no transaction of this handle tells.
    /// For the holder of the writer's lock when the connection to them is left: so it comes between what was written
    /// to them and what is written to those that are there next.
    fn tell_dropped(&self) {
        if self.is_in_bucket() && self.hub.wants_changes() {
            self.hub.committed(self.id, &[Change::cleared(Origin::Local)]);
        }
    }

    /// Has the shard open, if it is there, so that its being dropped is told.
    pub(crate) fn open_to_tell(&self) -> Result<()> {
        let mut writer = self.writer_lock()?;
        self.open_writer(&mut writer, false).map(drop)
    }

    /// Whether somebody has written it at some time and it was not dropped since.
    pub(in crate::storage) fn is_there(&self) -> Result<bool> {
        self.path.as_deref().map_or_else(|| Ok(self.is_written()), exists)
    }

    /// Drops what the shard has of its files but for the connection that writes: the next one to be opened
    /// begins anew. The guard is given back, to be dropped after that connection.
    fn give_up_files(&self) -> Option<Box<Guarded>> {
        self.cache.detach(std::iter::once(&*self.view));
        self.release_guard();
        let readers = self.readers.lock().give_up();
        let guarded = self.guard.lock().take();
        drop(readers);
        guarded
    }

    /// Closes every connection. The writer goes last and leaves no WAL behind if no
    /// other process uses the shard. Only after the cache was closed.
    pub(crate) fn close(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        // What could not be written is not shown any longer.
        let lost: Vec<_> = self.pending.take().into_iter().map(|row| row.entry).collect();
        self.cache.publish(&self.view, &lost, Changes::All, None, None);
        self.pending.taken_is_written();
        let readers = self.readers.lock().close();
        let open = match std::mem::replace(&mut *writer, Writer::Closed) {
            Writer::Open(open) => Some(open),
            _ => None,
        };
        self.close_connections(open, readers)
    }

    /// Closes the connections of the shard, which are all that there are. The writer goes last.
    fn close_connections(&self, open: Option<Box<OpenWriter>>, mut readers: Vec<Database>) -> Result<()> {
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

pub(super) fn closed() -> Error {
    Error::closed()
}

fn not_created() -> Error {
    Error::new(ErrorKind::Internal, "a shard was not created")
}

/// Rolls back when dropped, also by a panic, unless the transaction has ended.
struct Transaction<'a>(&'a mut Database);

impl Transaction<'_> {
    /// Leaves the transaction open.
    fn goes_on(self) {
        std::mem::forget(self);
    }
}

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
