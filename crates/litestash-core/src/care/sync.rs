//! A durable barrier.

use crate::error::Result;
use crate::stash::{LiteStash, spread};
use crate::storage::sync_log::sync_log_of;

/// Logs that are synced at once.
const SYNCING_THREADS: usize = 4;

impl LiteStash {
    /// Makes everything acknowledged so far durable against a power cut, by any process and in every shard.
    ///
    /// A commit is in a shard's write-ahead log or, after a checkpoint, in its file, which SQLite syncs
    /// before it reuses the log (<https://www.sqlite.org/wal.html>). So syncing the logs, and the directory
    /// for their names, is enough. Buckets are included.
    pub fn sync(&self) -> Result<()> {
        self.for_each_bucket(|_, bucket| bucket.sync_shards())?;
        self.sync_shards()
    }

    fn sync_shards(&self) -> Result<()> {
        self.inner.usable()?;
        let Some(directory) = &self.inner.settings.directory else { return Ok(()) };
        for shard in self.inner.shards() {
            shard.flush()?;
            shard.write_accesses()?;
        }
        // What was written at the lower levels; the waits for the disk overlap.
        let shards: Vec<_> = directory.existing()?;
        let synced = spread(&shards, SYNCING_THREADS, |shard| {
            sync_log_of(&directory.shard_path(*shard))
                .map_err(|error| error.context(format_args!("syncing shard {shard}")))
        });
        synced.into_iter().fold(Ok(()), Result::and)?;
        directory.sync()
    }
}
