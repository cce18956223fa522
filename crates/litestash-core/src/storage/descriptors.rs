//! A bound on the files that a stash and its buckets have open at once.
//!
//! Every connection has two descriptors and every guarded shard three, so that a few hundred shards use up what
//! a process may have. Who opens a connection beyond the bound first closes shards that nobody uses, those first
//! that have not been used for long.

use super::shard::Shard;
use super::worker::ShardRef;
use crate::sync::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Descriptors of a connection: the file and its log.
pub(super) const OF_CONNECTION: usize = 2;

/// Descriptors of an open shard besides: the index, and the guard's two.
pub(super) const OF_SHARD: usize = 3;

/// The bound, however many the process may have: about a thousand shards.
const MAX: usize = 6000;

/// The bound, however few. A thread that writes and reads has one shard open.
const MIN: usize = 64;

/// What is assumed where the limit is not known.
const LIMIT_UNKNOWN: usize = 1024;

/// What a stash and its buckets have open.
pub(crate) struct Descriptors {
    open: AtomicUsize,
    max: usize,
    /// Shards that have something open, or had.
    shards: Mutex<VecDeque<ShardRef>>,
}

/// Descriptors that are open until this is dropped.
pub(super) struct Counted {
    all: Arc<Descriptors>,
    count: usize,
}

impl Descriptors {
    /// Half of what the process may have open as of now; the other half is the program's.
    pub(crate) fn new() -> Self {
        Self {
            open: AtomicUsize::new(0),
            max: (limit() / 2).clamp(MIN, MAX),
            shards: Mutex::new(VecDeque::new()),
        }
    }

    /// Counts descriptors that are about to be opened.
    pub(super) fn count(self: &Arc<Self>, count: usize) -> Counted {
        self.open.fetch_add(count, Ordering::Relaxed);
        Counted { all: Arc::clone(self), count }
    }

    /// Notes a shard that is about to have something open.
    pub(super) fn enlist(&self, shard: &Shard) {
        if shard.become_listed() {
            self.shards.lock().push_back(ShardRef::of(shard));
        }
    }

    /// Closes shards that are not in use, but not this one, until there is room for a shard to be opened or no
    /// more can be done.
    pub(super) fn make_room(&self, opening: &Shard) {
        if !self.is_full() {
            return;
        }
        // Twice round: the first time shards that were used since the last time are left alone.
        let mut steps = 2 * self.shards.lock().len();
        while self.is_full() && steps > 0 {
            steps -= 1;
            let Some(next) = self.shards.lock().pop_front() else { return };
            let stays = next.with(|shard| {
                if std::ptr::eq(shard, opening) || shard.take_used() {
                    return true;
                }
                // Before it rests: whoever opens it from now on notes it again.
                shard.leave_list();
                !shard.rest() && shard.become_listed()
            });
            if stays == Some(true) {
                self.shards.lock().push_back(next);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.open.load(Ordering::Relaxed) + OF_SHARD + 2 * OF_CONNECTION > self.max
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.open.fetch_sub(self.count, Ordering::Relaxed);
    }
}

#[cfg(unix)]
fn limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    // No limit at all is more than anybody needs.
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(LIMIT_UNKNOWN))
}

#[cfg(not(unix))]
fn limit() -> usize {
    LIMIT_UNKNOWN
}
