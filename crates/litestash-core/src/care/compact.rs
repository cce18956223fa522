//! Giving free space back to the file system.

use super::verify::asked;
use crate::error::{ErrorKind, Result};
use crate::stash::LiteStash;
use crate::storage::shard::checkpoint;
use crate::storage::while_busy;
use serde::Serialize;
use std::time::Duration;

/// Pages moved and cut off in one step, so that writers wait for milliseconds only.
const STEP_PAGES: i64 = 256;

/// How long to wait for the readers of a write-ahead log, which other processes end within milliseconds.
const LOG_PATIENCE: Duration = Duration::from_millis(100);

/// What [`LiteStash::compact`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct CompactReport {
    /// Pages given back.
    pub pages_freed: u64,
    /// Bytes given back.
    pub bytes_freed: u64,
    /// Shards whose write-ahead log others kept from being emptied.
    pub shards_busy: u64,
}

impl LiteStash {
    /// Gives the space of deleted rows back to the file system, shard by shard in small steps, and empties
    /// the write-ahead logs.
    ///
    /// Other work goes on between the steps. Buckets are included, one after another.
    pub fn compact(&self) -> Result<CompactReport> {
        self.compact_while(|| true)
    }

    /// [`LiteStash::compact`] for as long as `goes_on` says so, which is asked before each step; then it is
    /// `Cancelled`, and what was given back stays so.
    pub fn compact_while(&self, goes_on: impl Fn() -> bool) -> Result<CompactReport> {
        let mut report = self.compact_shards(&goes_on)?;
        self.for_each_bucket(|_, bucket| {
            let of_bucket = bucket.compact_shards(&goes_on)?;
            report.pages_freed += of_bucket.pages_freed;
            report.bytes_freed += of_bucket.bytes_freed;
            report.shards_busy += of_bucket.shards_busy;
            Ok(())
        })?;
        Ok(report)
    }

    fn compact_shards(&self, goes_on: &dyn Fn() -> bool) -> Result<CompactReport> {
        self.inner.usable()?;
        let mut report = CompactReport::default();
        for shard in self.inner.shards() {
            loop {
                asked(goes_on)?;
                let freed = shard.with_writer(|connection| {
                    let free =
                        || connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
                    let before = free()?;
                    if before > 0 {
                        let mut vacuum =
                            connection.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
                        let mut rows = vacuum.query([])?;
                        while rows.next()?.is_some() {}
                    }
                    Ok((before - free()?).max(0))
                });
                let freed = match freed {
                    Ok(freed) => freed.unwrap_or(0).unsigned_abs(),
                    // Another process holds the shard; what is left is for the next time.
                    Err(error) if error.kind() == ErrorKind::Busy => {
                        report.shards_busy += 1;
                        break;
                    }
                    Err(error) => return Err(error),
                };
                report.pages_freed += freed;
                if freed == 0 {
                    break;
                }
            }
            shard.end_idle(true);
            match while_busy(LOG_PATIENCE, || shard.with_writer(checkpoint)) {
                Err(error) if error.kind() == ErrorKind::Busy => report.shards_busy += 1,
                other => drop(other?),
            }
        }
        report.bytes_freed = report.pages_freed * crate::contract::schema::PAGE_BYTES.unsigned_abs();
        Ok(report)
    }
}
