//! Room for a row, made inside the transaction that writes it.

use super::{Bounds, ROWS_LOOKED_AT};
use crate::contract::limits::SHARDS;
use crate::contract::route::ShardId;
use crate::contract::schema::PAGE_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::counting::stored_bytes;
use crate::storage::row::{NewRow, WriteTxn};

/// Pages that a row may take beside its own: a split of the table's and of the index's leaf, and the parents.
const PAGES_SPARE: u64 = 5;

/// Pages of a shard without rows.
const PAGES_OF_SHARD: u64 = 13;

/// Pages made free at once beyond what is needed, so that not every write has to make room.
const PAGES_AHEAD: u64 = 4;

/// Rows evicted for one write. What is still missing then is made up for after the commit.
const VICTIMS_MAX: usize = 256;

/// The limits as one transaction keeps them.
pub(crate) struct Room<'a> {
    pub(in crate::storage) bounds: &'a Bounds,
    shard: ShardId,
    /// Rows and pages of the other shards, asked for once.
    rows_elsewhere: Option<u64>,
    /// Rows that this transaction has added in other shards, less those it removed there.
    rows_beside: i64,
    pages_elsewhere: Option<u64>,
    /// Rows that the transaction evicted.
    pub(in crate::storage) evicted: u64,
}

impl<'a> Room<'a> {
    pub(in crate::storage) fn new(bounds: &'a Bounds, shard: ShardId) -> Self {
        Self { bounds, shard, rows_elsewhere: None, rows_beside: 0, pages_elsewhere: None, evicted: 0 }
    }

    /// Says what the same transaction does in other shards, which nobody can see there yet.
    pub(in crate::storage) fn set_rows_beside(&mut self, rows: i64) {
        self.rows_beside = rows;
    }

    fn rows_elsewhere(&mut self) -> Result<u64> {
        match self.rows_elsewhere {
            Some(rows) => Ok(rows),
            None => Ok(*self.rows_elsewhere.insert(self.bounds.rows_but(Some(self.shard))?)),
        }
    }

    fn pages_elsewhere(&mut self) -> u64 {
        let (bounds, shard) = (self.bounds, self.shard);
        *self.pages_elsewhere.get_or_insert_with(|| bounds.pages_but(Some(shard)))
    }
}

pub(in crate::storage) fn limit_reached(what: &str) -> Error {
    Error::new(ErrorKind::LimitReached, format!("the stash has as many {what} as its limit allows"))
}

impl WriteTxn<'_> {
    /// Sees to it that a row fits. Only in a counted shard.
    pub(in crate::storage) fn make_room(&mut self, row: &NewRow<'_>) -> Result<()> {
        let Some(room) = &mut self.room else { return Ok(()) };
        let bounds = room.bounds;
        let format = self.shard.format();
        let bytes = format.key_bytes(row.key) + row.body.len() + format.record_overhead_bytes();
        bounds.check_size(bytes)?;
        if let Some(max) = bounds.limits.rows {
            let own = self.effects.marks.counters.map_or(0, |counters| counters.rows.max(0).unsigned_abs());
            let rows = (own + room.rows_elsewhere()?).saturating_add_signed(room.rows_beside);
            if rows >= max {
                self.make_room_for_one(row, rows - max + 1)?;
            }
        }
        if bounds.budget.is_some() {
            self.make_room_for_bytes(row, bytes as u64)?;
        }
        Ok(())
    }

    fn make_room_for_one(&mut self, row: &NewRow<'_>, too_many: u64) -> Result<()> {
        let Some(room) = &self.room else { return Ok(()) };
        let bounds = room.bounds;
        if stored_bytes(self.database, row.slot, row.hash)?.is_some() {
            return Ok(());
        }
        if !bounds.evicts() {
            return Err(limit_reached("rows"));
        }
        // With few rows the worst of them all goes, wherever it is, once this one is written.
        if bounds.limits.rows.is_some_and(|rows| rows > ROWS_LOOKED_AT) {
            for _ in 0..usize::try_from(too_many).map_or(VICTIMS_MAX, |many| many.min(VICTIMS_MAX)) {
                if !self.evict_one(Some(row.hash))? {
                    break;
                }
            }
        }
        Ok(())
    }

    fn make_room_for_bytes(&mut self, row: &NewRow<'_>, bytes: u64) -> Result<()> {
        let Some(room) = &mut self.room else { return Ok(()) };
        let bounds = room.bounds;
        let needed = bytes / PAGE_BYTES.unsigned_abs() + PAGES_SPARE;
        let (pages_max, elsewhere) = (bounds.pages_max(), room.pages_elsewhere());
        let (pages, free) = self.database.pages()?;
        let (pages, mut free) = (u64::from(pages), u64::from(free));
        if elsewhere + pages + needed.saturating_sub(free) <= pages_max || free >= needed {
            return Ok(());
        }
        if !bounds.evicts() {
            let old = stored_bytes(self.database, row.slot, row.hash)?;
            if old.is_some_and(|old| {
                old.unsigned_abs() + self.shard.format().record_overhead_bytes() as u64 >= bytes
            }) {
                return Ok(());
            }
            // Pages that hold nothing are given back to the file system after the commit.
            let free_elsewhere = bounds.free_pages_but(self.shard.id())?;
            let used = (elsewhere + pages).saturating_sub(free + free_elsewhere);
            return if used + needed > pages_max { Err(limit_reached("bytes")) } else { Ok(()) };
        }
        if pages * 4 < pages_max / SHARDS as u64 * 3 {
            // A shard with little takes from the one with the most, after the commit.
            return Ok(());
        }
        for _ in 0..VICTIMS_MAX {
            if !self.evict_one(Some(row.hash))? {
                break;
            }
            free = u64::from(self.database.pages()?.1);
            if free >= needed + PAGES_AHEAD {
                break;
            }
        }
        Ok(())
    }
}

impl Bounds {
    /// Whether a row could be written into a shard that is not there yet.
    pub(in crate::storage) fn has_room_for_shard(&self) -> Result<bool> {
        let has_rows = match self.limits.rows {
            Some(max) => self.rows_but(None)? < max,
            None => true,
        };
        Ok(has_rows && self.pages_but(None) + PAGES_OF_SHARD <= self.pages_max())
    }

    /// Pages that hold nothing in all shards but one.
    fn free_pages_but(&self, but: ShardId) -> Result<u64> {
        let Some(shards) = self.shards() else { return Ok(0) };
        let mut free = 0;
        for shard in shards.iter().filter(|shard| shard.id() != but && !shard.is_in_memory()) {
            free += shard.read_with(|database| database.pages())?.map_or(0, |(_, free)| u64::from(free));
        }
        Ok(free)
    }
}
