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

/// Over `access` there is no foreign key: a row may have no uses, and the other way round.
macro_rules! run_used {
    ($slot:literal) => {
        concat!(
            "SELECT row.key_hash, row.key, row.timestamp, row.microsecond, used.used_at, used.uses FROM slot_",
            $slot,
            " AS row LEFT JOIN access AS used ON used.slot = ",
            $slot,
            " AND used.key_hash = row.key_hash WHERE row.key_hash >= ?1 ORDER BY row.key_hash LIMIT ?2"
        )
    };
}

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
/// Takes its snapshot with the first read.
pub(super) const BEGIN_READ: &str = "BEGIN";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
pub(super) const PAGES: &str = "PRAGMA page_count";
pub(super) const FREE_PAGES: &str = "PRAGMA freelist_count";

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

/// Bytes of keys and records of a table.
pub(super) const SIZE: PerSlot = per_slot!(
    "SELECT coalesce(sum(CASE WHEN typeof(key) IN ('text', 'blob') THEN octet_length(key) ELSE 8 END), 0), \
     coalesce(sum(octet_length(value)), 0) FROM ",
    ""
);

/// Bytes of the key and the record of one row.
pub(super) const SIZE_OF: PerSlot = per_slot!(
    "SELECT CASE WHEN typeof(key) IN ('text', 'blob') THEN octet_length(key) ELSE 8 END + octet_length(value) \
     FROM ",
    " WHERE key_hash = ?1"
);

/// Key, version and whether it is stored, of one row.
pub(super) const KEY: PerSlot = per_slot!("SELECT key, timestamp, microsecond FROM ", " WHERE key_hash = ?1");

/// A run of rows from a hash on: keys and versions.
pub(super) const RUN: PerSlot = per_slot!(
    "SELECT key_hash, key, timestamp, microsecond, NULL, NULL FROM ",
    " WHERE key_hash >= ?1 ORDER BY key_hash LIMIT ?2"
);

/// [`RUN`] with what the table of uses has of them.
pub(super) const RUN_USED: PerSlot = [run_used!("0"), run_used!("1"), run_used!("2"), run_used!("3")];

/// Both counters.
pub(super) const COUNTERS_SET: &str =
    "UPDATE meta SET value = CASE name WHEN 'rows' THEN ?1 ELSE ?2 END WHERE name IN ('rows', 'bytes')";

pub(super) const ACCESS_EXISTS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'access')";
/// Takes in uses of a row that is there: the later time, and the counts added up by whoever calls.
pub(super) const ACCESS_SET: &str = "INSERT INTO access (slot, key_hash, used_at, uses) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (slot, key_hash) DO UPDATE SET used_at = max(used_at, excluded.used_at), uses = excluded.uses";
pub(super) const ACCESS_GET: &str = "SELECT used_at, uses FROM access WHERE slot = ?1 AND key_hash = ?2";
pub(super) const ACCESS_DELETE: &str = "DELETE FROM access WHERE slot = ?1 AND key_hash = ?2";
pub(super) const ACCESS_CLEAR: &str = "DELETE FROM access";
/// Uses from a hash on, to see whether their rows are there.
pub(super) const ACCESS_RUN: &str =
    "SELECT key_hash FROM access WHERE slot = ?1 AND key_hash >= ?2 ORDER BY key_hash LIMIT ?3";

pub(super) const EXPIRY_ADD: &str =
    "INSERT OR IGNORE INTO expiry (expires_at, slot, key_hash) VALUES (?1, ?2, ?3)";
pub(super) const EXPIRY_CLEAR: &str = "DELETE FROM expiry";
/// The hints that are due at a time.
pub(super) const EXPIRY_DUE: &str = "SELECT expires_at, slot, key_hash FROM expiry WHERE expires_at <= ?1";
/// The first of them.
pub(super) const EXPIRY_DUE_FIRST: &str = "SELECT expires_at, slot, key_hash FROM expiry \
     WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 1";
pub(super) const EXPIRY_DELETE: &str =
    "DELETE FROM expiry WHERE expires_at = ?1 AND slot = ?2 AND key_hash = ?3";

/// The tables, and whatever else a schema holds, but for the indexes SQLite makes by
/// itself, which have no text.
pub(super) const SCHEMA: &str = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";
pub(super) const META_ADD: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
/// All of it: a handful of rows.
pub(super) const MARKS: &str = "SELECT name, value FROM meta";
pub(super) const META_GET: &str = "SELECT value FROM meta WHERE name = ?1";
