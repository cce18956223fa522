//! Closing a shard that nobody uses, until it is needed again.
//!
//! An open shard has about seven descriptors and megabytes of SQLite's page cache, so a stash with many buckets
//! can have few of their shards open at a time.

use super::{Shard, Writer};
use crate::storage::events::{Change, Origin};
use std::time::Duration;

/// A shard that was not used for one to two of these is closed.
const PERIOD_MS: u64 = 5000;

#[cfg(not(feature = "testing"))]
pub(super) fn period_ms() -> u64 {
    PERIOD_MS
}

#[cfg(feature = "testing")]
pub(super) fn period_ms() -> u64 {
    match testing::REST_MS.load(std::sync::atomic::Ordering::Relaxed) {
        0 => PERIOD_MS,
        ms => ms,
    }
}

/// Switches for tests. No part of the interface.
#[cfg(feature = "testing")]
pub(crate) mod testing {
    use std::sync::atomic::AtomicU64;

    /// The period of closing unused shards in milliseconds, for stashes opened from now on; 0 is the usual one.
    pub static REST_MS: AtomicU64 = AtomicU64::new(0);
}

impl Shard {
    /// The worker's part. Returns whether to come back.
    pub(super) fn rest_in_background(&self) -> bool {
        self.take_used() || !self.rest()
    }

    /// Closes every connection, if nobody uses one right now, and leaves no log behind if no other process uses
    /// the shard. Returns whether nothing is open.
    pub(in crate::storage) fn rest(&self) -> bool {
        let Some(mut writer) = self.writer.try_lock_for(Duration::ZERO) else { return false };
        if self.path.is_none() {
            return false;
        }
        if !self.pending.is_empty() {
            return false;
        }
        if let Writer::Open(open) = &*writer {
            // The slow part, while others read.
            self.end_idle(true);
            if let Err(error) = self.checkpoint_at_close(open) {
                tracing::warn!(%error, "a shard stays open because its log could not be moved");
                return false;
            }
        }
        // Held until all is done: who comes now to read waits, and opens the shard anew.
        let mut readers = self.readers.lock();
        if readers.out > 0 {
            return false;
        }
        let idle = readers.take_idle();
        let open = match std::mem::replace(&mut *writer, Writer::Idle) {
            Writer::Open(open) => Some(open),
            other => {
                *writer = other;
                None
            }
        };
        if open.is_none() && idle.is_empty() {
            return true;
        }
        self.cache.detach(std::iter::once(&*self.view));
        if let Err(error) = self.close_connections(open, idle) {
            tracing::warn!(%error, "closing a shard that is not in use failed; nothing is lost");
        }
        true
    }

    /// Whether it has nothing open and nothing to write.
    pub(crate) fn is_at_rest(&self) -> bool {
        let Some(writer) = self.writer.try_lock_for(Duration::ZERO) else { return false };
        !matches!(*writer, Writer::Open(_)) && self.pending.is_empty() && self.readers.lock().is_empty()
    }

    /// Drops the connections to files that have lost their names.
    pub(crate) fn leave_moved(&self) {
        if !self.is_in_place() {
            self.reopen_later();
        }
    }

    /// Ends what shards in memory hold, all at once. Returns whether there was anything.
    pub(crate) fn forget_memory<'a>(shards: impl Iterator<Item = &'a Self>) -> bool {
        let mut writers: Vec<_> = shards.map(|shard| (shard, shard.writer.lock())).collect();
        let mut was_there = false;
        for (shard, writer) in &mut writers {
            if let Writer::Open(_) = **writer {
                **writer = Writer::Idle;
                was_there = true;
                if shard.hub.wants_changes() {
                    shard.hub.committed(shard.id, &[Change::cleared(Origin::Local)]);
                }
            }
        }
        was_there
    }
}
