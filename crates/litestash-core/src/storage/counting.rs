//! Keeping the counters of a counted shard (`docs/CONTRACT.md` 9): exact, because they are written in the
//! transaction that changes the rows, and once for all of its rows.

use super::database::{Database, Hot};
use super::row::{self, NewRow, WriteTxn};
use super::shard::Counters;
use super::sql;
use crate::contract::hash::KeyHash;
use crate::contract::route::Slot;
use crate::contract::schema::{META_BYTES, META_ROWS};
use crate::contract::version::Version;
use crate::error::Result;
use rusqlite::{Connection, OptionalExtension};

/// Counts every stored row.
pub(crate) fn count_all(connection: &Connection) -> Result<Counters> {
    let mut counters = Counters::default();
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for slot in Slot::all() {
        let (keys, records) = row::size(connection, slot)?;
        counters.rows += signed(row::count(connection, slot)?);
        counters.bytes += signed(keys + records);
    }
    Ok(counters)
}

/// The rows of `meta` that make a shard without rows a counted one.
pub(super) fn begin_counting(connection: &Connection, counters: Counters) -> Result<()> {
    connection.execute(sql::META_ADD, (META_ROWS, counters.rows))?;
    connection.execute(sql::META_ADD, (META_BYTES, counters.bytes))?;
    Ok(())
}

/// Makes a shard a counted one.
pub(super) fn start(connection: &Connection) -> Result<Counters> {
    let counters = count_all(connection)?;
    begin_counting(connection, counters)?;
    Ok(counters)
}

/// Bytes of the key and the record of a row, if it is there.
pub(super) fn stored_bytes(database: &mut Database, slot: Slot, hash: &KeyHash) -> Result<Option<i64>> {
    database.with(Hot::SizeOf(slot), |size| Ok(size.query_row([hash], |row| row.get(0)).optional()?))
}

impl WriteTxn<'_> {
    /// Counts anew, if the shard is a counted one.
    pub(super) fn recount(&mut self) -> Result<()> {
        if self.effects.marks.counters.is_some() {
            self.effects.marks.counters = Some(count_all(self.database.connection())?);
        }
        Ok(())
    }

    /// Writes the counters, if they have changed. The last thing before the commit.
    pub(super) fn write_counters(&mut self) -> Result<()> {
        let Some(counters) =
            self.effects.marks.counters.filter(|counters| self.effects.counted != Some(*counters))
        else {
            return Ok(());
        };
        self.effects.counted = Some(counters);
        self.database.with(Hot::CountersSet, |set| {
            set.execute((counters.rows, counters.bytes))?;
            Ok(())
        })
    }

    /// [`WriteTxn::upsert_row`] in a counted shard.
    #[cold]
    pub(super) fn upsert_counted(&mut self, row: &NewRow<'_>, version: Version) -> Result<bool> {
        let old = stored_bytes(self.database, row.slot, row.hash)?;
        let written = self.upsert_row(row, version)?;
        let new = i64::try_from(self.format().key_bytes(row.key) + self.record.len()).unwrap_or(i64::MAX);
        if written && let Some(counters) = &mut self.effects.marks.counters {
            counters.rows += i64::from(old.is_none());
            counters.bytes += new - old.unwrap_or(0);
        }
        Ok(written)
    }

    /// Deletes a row of a counted shard.
    #[cold]
    pub(super) fn delete_counted(&mut self, slot: Slot, hash: &KeyHash) -> Result<bool> {
        let Some(old) = stored_bytes(self.database, slot, hash)? else { return Ok(false) };
        let deleted = self.delete_row(slot, hash)?;
        if deleted {
            self.forget_uses(slot, hash)?;
        }
        if deleted && let Some(counters) = &mut self.effects.marks.counters {
            counters.rows -= 1;
            counters.bytes -= old;
        }
        Ok(deleted)
    }
}
