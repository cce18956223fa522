//! Where the changes of a handle go.

use super::{Change, EventKind, Origin, Queue, Scope};
use crate::contract::key::KeyRef;
use crate::contract::route::ShardId;
use crate::contract::version::Version;
use crate::env::Clock;
use crate::error::{Error, Result};
use crate::sync::Mutex;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Somebody hears of changes made through this handle.
const CHANGES: u32 = 1;
/// Somebody hears of reads through this handle.
const ACCESSES: u32 = 2;

/// The subscriptions of a stash.
pub(crate) struct Hub {
    /// What anybody wants to hear of: all that a write or a read looks at while nobody has subscribed.
    interests: AtomicU32,
    queues: Mutex<Vec<Arc<Queue>>>,
    /// Set under the lock of `queues`.
    closed: AtomicBool,
    /// The time that changes are written with for other processes.
    pub(in crate::storage) clock: Arc<dyn Clock>,
    /// The number that says in the table `changes` who made a change.
    pub(in crate::storage) origin: i64,
    bucket: Option<Arc<str>>,
}

impl Hub {
    /// The number that tells this handle's changes from those of others.
    pub(crate) fn origin(&self) -> i64 {
        self.origin
    }

    /// A hub of a stash, or of the bucket of that name. `origin`: a random number unless one is given.
    pub(crate) fn new(clock: Arc<dyn Clock>, origin: Option<i64>, bucket: Option<Arc<str>>) -> Self {
        Self {
            interests: AtomicU32::new(0),
            queues: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            clock,
            origin: origin.unwrap_or_else(random),
            bucket,
        }
    }

    /// Whether changes have to be told here.
    #[inline]
    pub(crate) fn wants_changes(&self) -> bool {
        self.interests.load(Ordering::Relaxed) & CHANGES != 0
    }

    /// Whether reads have to be told here.
    #[inline]
    pub(crate) fn wants_accesses(&self) -> bool {
        self.interests.load(Ordering::Relaxed) & ACCESSES != 0
    }

    /// Whether changes or reads have to be told here.
    #[inline]
    pub(crate) fn wants_any(&self) -> bool {
        self.interests.load(Ordering::Relaxed) != 0
    }

    /// Adds a queue, which hears of what begins from now on.
    pub(crate) fn add(&self, queue: Arc<Queue>) -> Result<()> {
        let mut queues = self.queues.lock();
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::closed());
        }
        queues.push(queue);
        self.count(&queues);
        Ok(())
    }

    /// Takes a queue away.
    pub(crate) fn remove(&self, queue: &Arc<Queue>) {
        if queue.is_inherited() {
            return;
        }
        let mut queues = self.queues.lock();
        queues.retain(|other| !Arc::ptr_eq(other, queue));
        self.count(&queues);
    }

    fn count(&self, queues: &[Arc<Queue>]) {
        let local = || queues.iter().map(|queue| &queue.filter).filter(|filter| filter.scope == Scope::Local);
        let changes = if local().any(|filter| filter.has_changes()) { CHANGES } else { 0 };
        let accesses = if local().any(|filter| filter.has(EventKind::Access)) { ACCESSES } else { 0 };
        self.interests.store(changes | accesses, Ordering::SeqCst);
    }

    /// Whether somebody hears of the changes of all processes.
    pub(super) fn has_watchers(&self) -> bool {
        self.queues.lock().iter().any(|queue| queue.filter.scope == Scope::AllProcesses)
    }

    /// Queues changes for those who hear of that scope. For the holder of what keeps changes of a key in
    /// order.
    pub(super) fn push(&self, scope: Scope, shard: ShardId, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        for queue in self.queues.lock().iter().filter(|queue| queue.filter.scope == scope) {
            queue.push(shard, self.bucket.as_ref(), changes);
        }
    }

    /// Queues what a commit of this handle changed. Only for the holder of the shard's writer lock.
    #[cold]
    pub(crate) fn committed(&self, shard: ShardId, changes: &[Change]) {
        self.push(Scope::Local, shard, changes);
    }

    /// Tells of a read.
    #[cold]
    pub(crate) fn accessed(&self, shard: ShardId, key: KeyRef<'_>, version: Version) {
        let (key, version) = (Some(key.to_owned()), Some(version));
        self.push(
            Scope::Local,
            shard,
            &[Change { kind: EventKind::Access, key, version, origin: Origin::Local }],
        );
        self.wake(Scope::Local);
    }

    /// Counts events of the scope of all processes that nobody can tell any more.
    pub(super) fn missed(&self, events: u64) {
        for queue in self.queues.lock().iter().filter(|queue| queue.filter.scope == Scope::AllProcesses) {
            queue.missed(events);
        }
    }

    /// Wakes readers for whom something was queued. Under no lock of a shard.
    #[cold]
    pub(super) fn wake(&self, scope: Scope) {
        for queue in self.queues.lock().iter().filter(|queue| queue.filter.scope == scope) {
            queue.wake();
        }
    }

    /// Wakes readers when dropped, if there are any.
    #[inline]
    pub(crate) fn waker(&self) -> Waker<'_> {
        Waker(self)
    }

    /// Ends every subscription, once its reader has got what waits.
    pub(crate) fn close(&self) {
        let mut queues = self.queues.lock();
        self.closed.store(true, Ordering::Relaxed);
        for queue in queues.drain(..) {
            queue.close(false);
        }
        self.count(&queues);
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

/// [`Hub::waker`].
pub(crate) struct Waker<'a>(&'a Hub);

impl Drop for Waker<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.wants_any() {
            self.0.wake(Scope::Local);
        }
    }
}

/// A number that no other handle has: from the system's randomness, and what tells a process from its forks.
fn random() -> i64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish() as i64
}
