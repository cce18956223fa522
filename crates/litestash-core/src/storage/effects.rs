//! What a write transaction has done so far, and who has to hear of it.

use super::cache::Changes;
use super::events::recorder::Recorder;
use super::shard::{Counters, Marks};

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
    /// What the journal has to hear of, in a transaction over several shards.
    pub(super) images: Option<Vec<u8>>,
}
