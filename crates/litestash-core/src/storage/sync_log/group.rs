//! Commits that share a sync: what is written of them, and where they wait in SQLite's call.

#![expect(unsafe_code, reason = "descriptors that SQLite owns, and a call that comes through SQLite")]

use super::gathering::Gathering;
use super::record::{BYTES_MAX, Record};
use super::ring::Ring;
use super::sync_log_of;
use crate::contract::route::ShardId;
use crate::error::Result;
use crate::storage::directory::Directory;
use crate::storage::futex;
use crate::storage::wal_index::LogState;
use crate::sync::{AtomicU64, Mutex};
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
    gathering: Gathering<Group>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The number of the last record.
    number: AtomicU64,
    file: Mutex<File>,
    /// Shards that have something here, one bit each. A guess of what is cheaper hangs on it, nothing else.
    unsettled: AtomicU16,
    #[cfg(test)]
    records_all: std::sync::atomic::AtomicBool,
}

fn bit(shard: ShardId) -> u16 {
    1 << shard.number()
}

/// Commits that are synced together.
#[derive(Default)]
struct Group {
    records: Vec<u8>,
    members: Vec<(ShardId, RawFd)>,
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
            gathering: Gathering::default(),
            thread: Mutex::default(),
            number: AtomicU64::new(0),
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
        let add = |group: &mut Group| {
            // That of its moment. Under the gathering's lock, so nobody else counts on.
            let number = futex::monotonic_ns().max(self.number.load(Ordering::Relaxed) + 1);
            self.number.store(number, Ordering::Relaxed);
            Record::push(&mut group.records, commit.shard, number, [&commit.before, after], commit.changes);
            group.members.push((commit.shard, descriptor));
        };
        self.gathering.sync(add, || self.start_thread(), |group| self.sync_group(group))
    }

    fn start_thread(self: &Arc<Self>) -> bool {
        let log = Arc::clone(self);
        let run = move || {
            // Whatever happens, nobody is left waiting.
            let sync = |group: &Group| catch_unwind(AssertUnwindSafe(|| log.sync_group(group)));
            log.gathering.run(|group| sync(group).unwrap_or(false));
        };
        let started = std::thread::Builder::new().name("litestash-sync".into()).spawn(run);
        if let Err(error) = &started {
            tracing::warn!(%error, "a thread that syncs could not be started");
        }
        let mut thread = self.thread.lock();
        *thread = started.ok();
        thread.is_some()
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
        self.gathering.close();
        let thread = self.thread.lock().take();
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
