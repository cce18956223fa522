//! What a write transaction has done so far, and who has to hear of it.

use super::cache::Changes;
use super::events::recorder::Recorder;
use super::shard::{Counters, Marks};
use super::sync_log;
use crate::contract::hash::KeyHash;
use crate::contract::intent;
use crate::contract::key::StoredKey;
use crate::contract::route::Slot;
use crate::contract::version::Version;

/// Goes from one [`WriteTxn`](super::row::WriteTxn) to the next of the same transaction, and to its commit.
#[derive(Default)]
pub(crate) struct Effects {
    /// What the shard asks of its writers, as the transaction leaves it.
    pub(super) marks: Marks,
    /// What the cache has to hear of, if there is one.
    pub(super) changes: Option<Changes>,
    /// What subscribers have to hear of, if there are any.
    pub(super) recorder: Option<Box<Recorder>>,
    /// The counters as the file has them.
    pub(super) counted: Option<Counters>,
    /// Rows that were evicted.
    pub(super) evicted: u64,
    /// The earliest deadline that was written.
    pub(super) earliest: Option<i64>,
    /// Whether the files are others than those of the write before, because the bucket was dropped.
    pub(super) elsewhere: bool,
    /// What it has changed, where the journal or the sync log may have to hear of it.
    pub(super) images: Option<Images>,
    /// How many rows of tables SQLite has counted for that. If it counted more, `images` is not all.
    pub(super) rows_changed: u64,
}

/// Changes of rows, in the order in which they were made.
pub(crate) struct Images {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Images {
    /// For the journal, which has all of them.
    pub(super) fn for_journal() -> Self {
        Self { bytes: Vec::new(), bytes_max: usize::MAX }
    }

    /// For the sync log, which takes few.
    pub(super) fn for_sync_log() -> Self {
        Self { bytes: Vec::new(), bytes_max: sync_log::BYTES_MAX }
    }

    pub(super) fn push(
        &mut self,
        slot: Slot,
        hash: &KeyHash,
        key: StoredKey<'_>,
        after: Option<(Version, &[u8])>,
    ) {
        // Beyond, one that does not fit any more is enough to know.
        if self.bytes.len() <= self.bytes_max {
            intent::push(&mut self.bytes, slot, hash, key, after);
        }
    }

    /// All of them, or `None` if they are too many.
    pub(super) fn into_bytes(self) -> Option<Vec<u8>> {
        (self.bytes.len() <= self.bytes_max).then_some(self.bytes)
    }
}
