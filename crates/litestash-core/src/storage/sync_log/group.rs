//! Who waits for which sync.

#![expect(unsafe_code, reason = "descriptors that SQLite owns, and a call that comes through SQLite")]

use super::record::{BYTES_MAX, Record};
use super::ring::Ring;
use super::sync_log_of;
use crate::contract::route::ShardId;
use crate::error::Result;
use crate::storage::directory::Directory;
use crate::storage::futex;
use crate::storage::wal_index::LogState;
use crate::sync::{Condvar, Mutex};
use std::cell::Cell;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;

/// The sync log of a handle.
pub(crate) struct SyncLog {
    directory: Directory,
    state: Mutex<State>,
    /// Signalled when there is something for the thread.
    gathered: Condvar,
    file: Mutex<File>,
    /// Shards that have something here, one bit each. A guess of what is cheaper hangs on it, nothing else.
    unsettled: AtomicU16,
    #[cfg(test)]
    records_all: std::sync::atomic::AtomicBool,
}

fn bit(shard: ShardId) -> u16 {
    1 << shard.number()
}

#[derive(Default)]
struct State {
    /// Whether a commit is being synced that was alone when it came.
    alone: bool,
    /// Whether the thread syncs a group.
    together: bool,
    next: Option<Group>,
    /// The number of the last record.
    number: u64,
    thread: Option<JoinHandle<()>>,
    /// Whether the thread waits for a group.
    idle: bool,
    closed: bool,
}

/// Commits that wait to be synced together.
#[derive(Default)]
struct Group {
    outcome: Arc<Outcome>,
    records: Vec<u8>,
    members: Vec<(ShardId, RawFd)>,
}

impl State {
    /// Adds a commit, whose number is that of its moment.
    fn add(&mut self, group: &mut Group, descriptor: RawFd, commit: &Commit<'_>, after: &LogState) {
        self.number = futex::monotonic_ns().max(self.number + 1);
        Record::push(&mut group.records, commit.shard, self.number, [&commit.before, after], commit.changes);
        group.members.push((commit.shard, descriptor));
    }
}

/// Whether a group was synced, once that is known.
#[derive(Default)]
struct Outcome {
    synced: Mutex<Option<bool>>,
    known: Condvar,
}

#[derive(Default)]
struct File {
    ring: Option<Ring>,
    /// Whether none is to be had any more.
    is_refused: bool,
}

/// A commit whose sync may be shared.
struct Commit<'a> {
    log: &'a Arc<SyncLog>,
    shard: ShardId,
    before: LogState,
    changes: &'a [u8],
}

thread_local! {
    /// The commit that this thread is in, until its log is synced.
    static COMMIT: Cell<Option<NonNull<Commit<'static>>>> = const { Cell::new(None) };
}

impl SyncLog {
    pub(crate) fn new(directory: &Directory) -> Option<Arc<Self>> {
        Some(Arc::new(Self {
            directory: directory.clone(),
            state: Mutex::default(),
            gathered: Condvar::new(),
            file: Mutex::default(),
            unsettled: AtomicU16::new(0),
            #[cfg(test)]
            records_all: Default::default(),
        }))
    }

    /// Calls `commit`, which commits `changes` to that shard and syncs its log. The sync may be one of this log
    /// instead.
    ///
    /// Only if everything in the shard's log is durable, or in this log, before the commit: `before`.
    pub(crate) fn sharing<T>(
        self: &Arc<Self>,
        shard: ShardId,
        before: LogState,
        changes: &[u8],
        commit: impl FnOnce() -> T,
    ) -> T {
        struct Ended;
        impl Drop for Ended {
            fn drop(&mut self) {
                COMMIT.set(None);
            }
        }
        if before.frames == 0 || changes.len() > BYTES_MAX {
            // The first commit of a log is not told from its header.
            return commit();
        }
        let shared = Commit { log: self, shard, before, changes };
        // Also if `commit` panics nobody uses what is gone.
        let _ended = Ended;
        COMMIT.set(Some(NonNull::from(&shared).cast()));
        commit()
    }

    /// Has every commit recorded that can be, also if it meets no other, and keeps the records.
    #[cfg(test)]
    pub(super) fn record_all(&self) {
        self.records_all.store(true, Ordering::Relaxed);
    }

    fn sync(self: &Arc<Self>, descriptor: RawFd, commit: &Commit<'_>, after: &LogState) -> bool {
        let mut state = self.state.lock();
        if !state.alone && !state.together && state.next.is_none() || !self.has_thread(&mut state) {
            state.alone = true;
            let mut group = Group::default();
            state.add(&mut group, descriptor, commit, after);
            drop(state);
            let synced = self.sync_group(&group);
            self.state.lock().alone = false;
            return synced;
        }
        let mut group = state.next.take().unwrap_or_default();
        state.add(&mut group, descriptor, commit, after);
        let group = state.next.insert(group);
        let outcome = Arc::clone(&group.outcome);
        if std::mem::take(&mut state.idle) {
            self.gathered.notify_one();
        }
        drop(state);
        outcome.wait()
    }

    /// Whether the thread is there, which is started by the first who needs it.
    fn has_thread(self: &Arc<Self>, state: &mut State) -> bool {
        if state.thread.is_none() && !state.closed {
            let log = Arc::clone(self);
            let thread = std::thread::Builder::new().name("litestash-sync".into());
            match thread.spawn(move || log.run()) {
                Ok(thread) => state.thread = Some(thread),
                Err(error) => tracing::warn!(%error, "a thread that syncs could not be started"),
            }
        }
        state.thread.is_some()
    }

    /// The thread: syncs what has gathered, again and again. One of those that wait could do it, but would then be the
    /// last to go on.
    fn run(&self) {
        loop {
            let mut state = self.state.lock();
            state.together = false;
            let group = loop {
                if let Some(group) = state.next.take() {
                    break group;
                }
                if state.closed {
                    return;
                }
                state.idle = true;
                self.gathered.wait(&mut state);
            };
            state.idle = false;
            state.together = true;
            drop(state);
            // Whatever happens, nobody is left waiting.
            let synced = catch_unwind(AssertUnwindSafe(|| self.sync_group(&group))).unwrap_or(false);
            group.outcome.tell(synced);
        }
    }

    fn sync_group(&self, group: &Group) -> bool {
        // One commit is as cheap in the shard's own log, unless that has others that would have to be written with it.
        let unsettled = self.unsettled.load(Ordering::Relaxed);
        #[cfg(test)]
        let unsettled = if self.records_all.load(Ordering::Relaxed) { u16::MAX } else { unsettled };
        let is_own = matches!(group.members[..], [(shard, _)] if unsettled & bit(shard) == 0);
        if !is_own && let Some(file) = self.write(group) {
            let synced = file.sync_data().is_ok();
            if !synced {
                self.file.lock().is_refused = true;
            }
            return synced;
        }
        group.members.iter().all(|(_, descriptor)| sync(*descriptor))
    }

    /// Writes the records of a group to a file that is to be synced, if there is one.
    fn write(&self, group: &Group) -> Option<Arc<std::fs::File>> {
        let shards = group.members.iter().map(|(shard, _)| *shard);
        let bits = group.members.iter().fold(0, |bits, (shard, _)| bits | bit(*shard));
        self.unsettled.fetch_or(bits, Ordering::Relaxed);
        self.file.lock().ring(&self.directory)?.write(&self.directory, &group.records, shards)
    }

    /// Whether the log has something of that shard, whose own log has to be synced.
    pub(crate) fn has(&self, shard: ShardId) -> bool {
        self.file.lock().ring.as_ref().is_some_and(|ring| ring.has(shard))
    }

    /// Syncs the shard's own log, so that what this one has of it is not needed any more.
    pub(crate) fn settle(&self, shard: ShardId) -> Result<()> {
        #[cfg(test)]
        if self.records_all.load(Ordering::Relaxed) {
            return Ok(());
        }
        let begun = self.file.lock().ring.as_mut().is_some_and(|ring| ring.begin_settling(shard));
        if !begun {
            return Ok(());
        }
        self.unsettled.fetch_and(!bit(shard), Ordering::Relaxed);
        let synced = sync_log_of(&self.directory.shard_path(shard));
        if let Some(ring) = &mut self.file.lock().ring {
            ring.end_settling(shard, synced.is_ok());
        }
        synced
    }

    /// Syncs the shards' own logs and removes this one. Only after the shards were closed.
    pub(crate) fn close(&self) -> Result<()> {
        let thread = {
            let mut state = self.state.lock();
            state.closed = true;
            self.gathered.notify_one();
            state.thread.take()
        };
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread that syncs had panicked");
        }
        let mut file = self.file.lock();
        file.is_refused = true;
        if let Some(mut ring) = file.ring.take() {
            ring.settle_all(&self.directory)?;
            ring.remove();
        }
        Ok(())
    }
}

impl File {
    fn ring(&mut self, directory: &Directory) -> Option<&mut Ring> {
        if self.is_refused {
            return None;
        }
        if self.ring.is_none() {
            match Ring::create(directory) {
                Ok(ring) => self.ring = Some(ring),
                Err(error) => {
                    tracing::debug!(%error, "no sync log could be made");
                    self.is_refused = true;
                }
            }
        }
        self.ring.as_mut()
    }
}

impl Outcome {
    fn tell(&self, synced: bool) {
        *self.synced.lock() = Some(synced);
        self.known.notify_all();
    }

    fn wait(&self) -> bool {
        let mut synced = self.synced.lock();
        loop {
            match *synced {
                Some(synced) => return synced,
                None => self.known.wait(&mut synced),
            }
        }
    }
}

/// Makes a log durable, up to a commit if `after` says how the log is with it: by a sync that is shared, if the
/// commit's may be ([`SyncLog::sharing`]). False if that failed; then nobody knows what is durable.
pub(crate) fn make_durable(descriptor: RawFd, after: Option<&LogState>) -> bool {
    let (Some(commit), Some(after)) = (COMMIT.take(), after) else { return sync(descriptor) };
    // SAFETY: `sharing` keeps the commit until it has taken this away.
    let commit: &Commit<'_> = unsafe { commit.as_ref() };
    let follows = after.salts == commit.before.salts && after.frames > commit.before.frames;
    if !follows {
        return sync(descriptor);
    }
    // A panic must not go through SQLite.
    catch_unwind(AssertUnwindSafe(|| commit.log.sync(descriptor, commit, after))).unwrap_or(false)
}

/// An error is told once only, so there is no second try.
fn sync(descriptor: RawFd) -> bool {
    // SAFETY: SQLite's descriptor, which is open while its thread is in this call, or waits for it.
    unsafe { libc::fdatasync(descriptor) == 0 }
}
