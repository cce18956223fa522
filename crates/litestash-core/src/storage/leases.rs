//! Leases on keys that are being computed (`docs/CONTRACT.md` 9): rows of the table `leases` of a key's shard.

use super::database::Database;
use super::row::WriteTxn;
use super::sql;
use crate::contract::hash::KeyHash;
use crate::contract::limits::LEASE_US_MAX;
use crate::contract::schema::OPTIONAL_TABLES;
use crate::error::Result;
use rusqlite::{Connection, OptionalExtension};

/// Who holds a lease.
pub(crate) type Holder = [u8; 16];

fn is_there(connection: &Connection) -> Result<bool> {
    Ok(connection.prepare_cached(sql::LEASES_THERE)?.exists([])?)
}

impl WriteTxn<'_> {
    /// Takes the lease of a key until `ends_at`, unless somebody has it. Leases that have ended are removed.
    pub(crate) fn take_lease(
        &mut self,
        hash: &KeyHash,
        holder: &Holder,
        now_us: i64,
        ends_at: i64,
    ) -> Result<bool> {
        let connection = self.connection();
        if !is_there(connection)? {
            for (_, table) in OPTIONAL_TABLES.iter().filter(|(name, _)| *name == "leases") {
                connection.execute(table, [])?;
            }
        }
        // One that ends later than any can comes from a clock that was set back since.
        let latest = now_us.saturating_add(LEASE_US_MAX);
        connection.prepare_cached(sql::LEASES_ENDED)?.execute((now_us, latest))?;
        Ok(connection.prepare_cached(sql::LEASE_TAKE)?.execute((hash, holder, ends_at))? > 0)
    }

    /// Prolongs a lease, if that holder still has it.
    pub(crate) fn renew_lease(&mut self, hash: &KeyHash, holder: &Holder, ends_at: i64) -> Result<()> {
        self.connection().prepare_cached(sql::LEASE_RENEW)?.execute((hash, holder, ends_at))?;
        Ok(())
    }

    /// Gives a lease back, if that holder still has it.
    pub(crate) fn end_lease(&mut self, hash: &KeyHash, holder: &Holder) -> Result<()> {
        self.connection().prepare_cached(sql::LEASE_END)?.execute((hash, holder))?;
        Ok(())
    }
}

/// Whether somebody has the lease of a key.
pub(crate) fn is_leased(database: &mut Database, hash: &KeyHash, now_us: i64) -> Result<bool> {
    let connection = database.connection();
    if !is_there(connection)? {
        return Ok(false);
    }
    let ends_at: Option<i64> =
        connection.prepare_cached(sql::LEASE_GET)?.query_row([hash], |row| row.get(0)).optional()?;
    Ok(ends_at.is_some_and(|ends_at| now_us < ends_at && ends_at <= now_us.saturating_add(LEASE_US_MAX)))
}
