//! Every statement that touches rows, in one place. The tables are in `contract::schema`.

use crate::contract::limits::SLOTS;

/// The same statement for each of a shard's tables.
pub(super) type PerSlot = [&'static str; SLOTS];

macro_rules! per_slot {
    ($before:literal, $after:literal) => {
        [
            concat!($before, "slot_0", $after),
            concat!($before, "slot_1", $after),
            concat!($before, "slot_2", $after),
            concat!($before, "slot_3", $after),
        ]
    };
}

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
/// Takes its snapshot with the first read.
pub(super) const BEGIN_READ: &str = "BEGIN";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";

/// One row by its hash.
pub(super) const GET: PerSlot =
    per_slot!("SELECT value, timestamp, microsecond FROM ", " WHERE key_hash = ?1");

/// Stores a row unless one of the same or a greater version is there: then it changes nothing, and the
/// version has to be looked up. So the plain case costs one statement.
pub(super) const PUT: PerSlot = per_slot!(
    "INSERT INTO ",
    " AS old (key_hash, key, value, timestamp, microsecond) VALUES (?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (key_hash) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, \
     microsecond = excluded.microsecond \
     WHERE (old.timestamp, old.microsecond) < (excluded.timestamp, excluded.microsecond)"
);

pub(super) const DELETE: PerSlot = per_slot!("DELETE FROM ", " WHERE key_hash = ?1");

pub(super) const CLEAR: PerSlot = per_slot!("DELETE FROM ", "");

pub(super) const COUNT: PerSlot = per_slot!("SELECT count(*) FROM ", "");

/// A page of rows behind a hash.
pub(super) const SCAN: PerSlot = per_slot!(
    "SELECT key_hash, key, value, timestamp, microsecond FROM ",
    " WHERE key_hash > ?1 ORDER BY key_hash LIMIT ?2"
);

/// A row with its key, to be encrypted anew.
pub(super) const RESEAL_GET: PerSlot =
    per_slot!("SELECT key, value, timestamp, microsecond FROM ", " WHERE key_hash = ?1");
pub(super) const RESEAL_PUT: PerSlot = per_slot!("UPDATE ", " SET key = ?2, value = ?3 WHERE key_hash = ?1");

/// Bytes of keys and records of a table.
pub(super) const SIZE: PerSlot = per_slot!(
    "SELECT coalesce(sum(CASE WHEN typeof(key) IN ('text', 'blob') THEN octet_length(key) ELSE 8 END), 0), \
     coalesce(sum(octet_length(value)), 0) FROM ",
    ""
);

pub(super) const EXPIRY_ADD: &str =
    "INSERT OR IGNORE INTO expiry (expires_at, slot, key_hash) VALUES (?1, ?2, ?3)";
pub(super) const EXPIRY_CLEAR: &str = "DELETE FROM expiry";
/// The hints that are due at a time.
pub(super) const EXPIRY_DUE: &str = "SELECT expires_at, slot, key_hash FROM expiry WHERE expires_at <= ?1";

/// The tables, and whatever else a schema holds, but for the indexes SQLite makes by
/// itself, which have no text.
pub(super) const SCHEMA: &str = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";
pub(super) const META_ADD: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
pub(super) const META_GET: &str = "SELECT value FROM meta WHERE name = ?1";
