//! Figures of a stash.

use crate::contract::limits::SLOTS;
use crate::contract::route::Slot;
use crate::error::Result;
use crate::stash::LiteStash;
use crate::storage::bounds::Bounds;
use crate::storage::shard::Marks;
use crate::storage::{CacheStats, ExpiryStats, LimitStats, row};
use serde::Serialize;

/// Figures of a stash, as of the moment each shard was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Rows, expired ones left out.
    pub rows: u64,
    /// Stored rows whose deadline has passed.
    pub expired_rows: u64,
    /// Bytes of all keys.
    pub key_bytes: u64,
    /// Bytes of all records: values with their headers.
    pub record_bytes: u64,
    /// Bytes of the files, write-ahead logs included.
    pub file_bytes: u64,
    /// The limits, and how far they are used.
    pub limits: LimitStats,
    /// The read cache of this process.
    pub cache: CacheStats,
    /// What this process did about deadlines.
    pub expiry: ExpiryStats,
    /// The linked SQLite.
    pub sqlite_version: &'static str,
    /// The contract's version.
    pub format: i64,
    /// Every shard that exists, in ascending order.
    pub shards: Vec<ShardStats>,
    /// The sums of all its buckets, which the other figures leave out but for those of the cache.
    pub buckets: BucketStats,
}

/// Sums over all buckets of a stash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct BucketStats {
    /// How many there are.
    pub buckets: u64,
    /// Rows, expired ones left out.
    pub rows: u64,
    /// Stored rows whose deadline has passed.
    pub expired_rows: u64,
    /// Bytes of all keys.
    pub key_bytes: u64,
    /// Bytes of all records: values with their headers.
    pub record_bytes: u64,
    /// Bytes of the files, write-ahead logs included.
    pub file_bytes: u64,
}

/// Figures of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShardStats {
    /// The shard's number, 0 to 15.
    pub shard: u8,
    /// Bytes of `shard-N.db`; for a stash in memory, of its pages.
    pub file_bytes: u64,
    /// Bytes of `shard-N.db-wal`, with the room that is made ahead of its frames.
    pub wal_bytes: u64,
    /// Stored rows as the shard counts them, if it is counted: where a stash with limits has written.
    pub counted_rows: Option<u64>,
    /// Bytes of keys and records as the shard counts them, if it is counted.
    pub counted_bytes: Option<u64>,
    /// Bytes in pages that hold nothing, which `compact` gives back.
    pub free_bytes: u64,
    /// The tables.
    pub slots: [SlotStats; SLOTS],
}

/// Figures of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct SlotStats {
    /// Rows, expired ones left out.
    pub rows: u64,
    /// Stored rows whose deadline has passed.
    pub expired_rows: u64,
    /// Bytes of the keys.
    pub key_bytes: u64,
    /// Bytes of the records.
    pub record_bytes: u64,
}

impl LiteStash {
    /// Figures of the stash, and sums over its buckets. Costs a walk over every table.
    pub fn stats(&self) -> Result<Stats> {
        self.inner.usable()?;
        let mut buckets = BucketStats::default();
        self.for_each_bucket(|_, bucket| {
            let stats = bucket.stats()?;
            buckets.buckets += 1;
            buckets.rows += stats.rows;
            buckets.expired_rows += stats.expired_rows;
            buckets.key_bytes += stats.key_bytes;
            buckets.record_bytes += stats.record_bytes;
            buckets.file_bytes += stats.file_bytes;
            Ok(())
        })?;
        let now_us = self.inner.now_us();
        let mut shards = Vec::new();
        for shard in self.inner.shards() {
            let figures = shard.read_snapshot(|database| {
                let connection = database.connection();
                let mut slots = [SlotStats::default(); SLOTS];
                let expired = row::count_expired(connection, now_us)?;
                for slot in Slot::all() {
                    let (key_bytes, record_bytes) = row::size(connection, slot)?;
                    let expired_rows = expired[slot.index()];
                    let rows = row::count(connection, slot)? - expired_rows;
                    slots[slot.index()] = SlotStats { rows, expired_rows, key_bytes, record_bytes };
                }
                let pragma =
                    |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
                let page = pragma("page_size")?.unsigned_abs();
                let pages = pragma("page_count")?.unsigned_abs();
                let free = pragma("freelist_count")?.unsigned_abs();
                Ok((slots, pages * page, free * page, Marks::read(database)?.counters))
            })?;
            let Some((slots, page_bytes, free_bytes, counters)) = figures else { continue };
            let size = |suffix: &str| {
                let directory = self.path()?;
                let name = shard.id().file_name() + suffix;
                // Asking for a size opens nothing.
                directory.join(name).metadata().ok().map(|metadata| metadata.len())
            };
            shards.push(ShardStats {
                shard: shard.id().number(),
                file_bytes: size("").unwrap_or(page_bytes),
                wal_bytes: size("-wal").unwrap_or(0),
                counted_rows: counters.map(|counters| counters.rows.max(0).unsigned_abs()),
                counted_bytes: counters.map(|counters| counters.bytes.max(0).unsigned_abs()),
                free_bytes,
                slots,
            });
        }
        let index_bytes = self.path().map_or(0, |directory| {
            let size = |shard: &ShardStats| {
                let number = crate::contract::route::ShardId::new(shard.shard)?;
                directory.join(number.file_name() + "-shm").metadata().ok().map(|metadata| metadata.len())
            };
            shards.iter().filter_map(size).sum()
        });
        let file_bytes = shards.iter().map(|shard| shard.file_bytes + shard.wal_bytes).sum();
        let bounds = self.inner.bounds.as_deref();
        let limits = LimitStats {
            limits: bounds.map(Bounds::limits).unwrap_or_default(),
            counted_rows: shards.iter().filter_map(|shard| shard.counted_rows).reduce(u64::saturating_add),
            counted_bytes: shards.iter().filter_map(|shard| shard.counted_bytes).reduce(u64::saturating_add),
            disk_bytes: file_bytes + index_bytes + bounds.map_or(0, Bounds::reserve_bytes),
            evicted_rows: bounds.map_or(0, Bounds::evicted),
        };
        let slots = || shards.iter().flat_map(|shard| &shard.slots);
        Ok(Stats {
            rows: slots().map(|slot| slot.rows).sum(),
            expired_rows: slots().map(|slot| slot.expired_rows).sum(),
            key_bytes: slots().map(|slot| slot.key_bytes).sum(),
            record_bytes: slots().map(|slot| slot.record_bytes).sum(),
            file_bytes,
            limits,
            cache: self.inner.cache.stats(),
            expiry: self.inner.expiring.stats(),
            sqlite_version: crate::sqlite_version(),
            format: crate::contract::schema::FORMAT,
            shards,
            buckets,
        })
    }
}
