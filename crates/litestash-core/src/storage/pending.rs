//! Rows of the level `relaxed` that wait to be written. Reads of this process find them in the cache, where
//! they are pinned.

use super::cache::{Entry, ReadCache};
use crate::contract::hash::KeyHash;
use crate::contract::route::Slot;
use crate::sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes beyond which a writer flushes before it goes on.
const BYTES_MAX: usize = 4 << 20;

/// Rows beyond which a writer flushes before it goes on.
const ROWS_MAX: usize = 8192;

/// A row that waits.
pub(super) struct PendingRow {
    pub(super) hash: KeyHash,
    pub(super) slot: Slot,
    pub(super) entry: Arc<Entry>,
}

/// The rows of one shard that wait.
#[derive(Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    rows: AtomicUsize,
    full: AtomicBool,
}

#[derive(Default)]
struct State {
    rows: Vec<PendingRow>,
    bytes: usize,
    closed: bool,
}

impl Pending {
    /// Whether nothing waits. One atomic load.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rows.load(Ordering::Acquire) == 0
    }

    /// Whether so much waits that it should be written before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Adds a row and shows it to readers. Returns whether it did: after `close` it does not.
    pub(super) fn push(&self, cache: &ReadCache, row: PendingRow) -> bool {
        // Under the lock, so that rows of one key are in the same order here and in the cache.
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        cache.pin(&row.entry);
        state.bytes += bytes(&row);
        state.rows.push(row);
        self.count(&state);
        true
    }

    /// Refuses more.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Takes what waits. Only for the holder of the writer's lock.
    pub(super) fn take(&self) -> Vec<PendingRow> {
        let mut state = self.state.lock();
        state.bytes = 0;
        std::mem::take(&mut state.rows)
    }

    /// Says that what was taken is written.
    pub(super) fn taken_is_written(&self) {
        self.count(&self.state.lock());
    }

    /// Puts back what could not be written, before what came since.
    pub(super) fn put_back(&self, mut rows: Vec<PendingRow>) {
        let mut state = self.state.lock();
        rows.append(&mut state.rows);
        state.bytes = rows.iter().map(bytes).sum();
        state.rows = rows;
        self.count(&state);
    }

    fn count(&self, state: &State) {
        self.rows.store(state.rows.len(), Ordering::Release);
        self.full.store(state.bytes > BYTES_MAX || state.rows.len() > ROWS_MAX, Ordering::Relaxed);
    }
}

fn bytes(row: &PendingRow) -> usize {
    size_of::<PendingRow>() + row.entry.size_bytes()
}
