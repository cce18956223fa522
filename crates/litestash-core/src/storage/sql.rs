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

/// One row by its hash, as [`SCAN`] has it.
pub(super) const ROW: PerSlot =
    per_slot!("SELECT key_hash, key, value, timestamp, microsecond FROM ", " WHERE key_hash = ?1");

/// Gives a row another record, of the same version.
pub(super) const REDATE: PerSlot = per_slot!("UPDATE ", " SET value = ?2 WHERE key_hash = ?1");

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

/// A page of the hints behind a place that are due at a time.
pub(super) const EXPIRY_PAGE: &str = "SELECT expires_at, slot, key_hash FROM expiry \
     WHERE expires_at <= ?1 AND (expires_at, slot, key_hash) > (?2, ?3, ?4) \
     ORDER BY expires_at, slot, key_hash LIMIT ?5";
/// The earliest hint behind a time.
pub(super) const EXPIRY_NEXT: &str = "SELECT min(expires_at) FROM expiry WHERE expires_at > ?1";
/// The earliest hint.
pub(super) const EXPIRY_FIRST: &str = "SELECT min(expires_at) FROM expiry";
pub(super) const EXPIRY_DROP: &str =
    "DELETE FROM expiry WHERE expires_at = ?1 AND slot = ?2 AND key_hash = ?3";

/// The tables, and whatever else a schema holds, but for the indexes SQLite makes by
/// itself, which have no text.
pub(super) const SCHEMA: &str = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid";
pub(super) const META_ADD: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
/// All of it: a handful of rows.
pub(super) const MARKS: &str = "SELECT name, value FROM meta";
/// Sets a mark.
pub(super) const META_PUT: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
pub(super) const META_DELETE: &str = "DELETE FROM meta WHERE name = ?1";
pub(super) const META_MARK_DROPPED: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('dropped', 1)";
pub(super) const META_GET: &str = "SELECT value FROM meta WHERE name = ?1";

pub(super) const TABLE_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)";

pub(super) const CHANGE_ADD: &str = "INSERT INTO changes (at, origin, kind, slot, key_hash, key, version) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// Of the ?1 lowest numbers those too old, too far ahead, or too many; never the greatest.
pub(super) const CHANGES_TRIM: &str = "DELETE FROM changes \
     WHERE number < (SELECT min(number) FROM changes) + ?1 AND number < (SELECT max(number) FROM changes) \
     AND (at NOT BETWEEN ?2 AND ?3 OR number <= (SELECT max(number) FROM changes) - ?4)";
/// Of the 256 lowest numbers all but the greatest.
pub(super) const CHANGES_DRAIN: &str = "DELETE FROM changes \
     WHERE number < (SELECT min(number) FROM changes) + 256 AND number < (SELECT max(number) FROM changes)";
pub(super) const CHANGES_MORE: &str =
    "SELECT coalesce((SELECT min(number) FROM changes) < (SELECT max(number) FROM changes), 0)";
pub(super) const CHANGES_NEWEST: &str = "SELECT coalesce(max(number), 0) FROM changes";
/// The row of a number and those behind it.
pub(super) const CHANGES_FROM: &str = "SELECT number, origin, kind, key, key_hash, version FROM changes \
     WHERE number >= ?1 ORDER BY number LIMIT ?2";
/// A page of the keys in the log.
pub(super) const CHANGES_KEYS: &str =
    "SELECT number, key_hash, key FROM changes WHERE number > ?1 ORDER BY number LIMIT ?2";
pub(super) const CHANGES_RESEAL: &str = "UPDATE changes SET key = ?2 WHERE number = ?1";
pub(super) const INTENT_ADD: &str = "INSERT INTO intents (shard, id, changes) VALUES (?1, ?2, ?3)";
/// What a shard does not have yet, oldest first.
pub(super) const INTENTS_AFTER: &str =
    "SELECT id, changes FROM intents WHERE shard = ?1 AND id > ?2 ORDER BY id";
pub(super) const INTENTS_LAST: &str = "SELECT max(id) FROM intents WHERE shard = ?1";
pub(super) const INTENT_TAKE_BACK: &str = "DELETE FROM intents WHERE shard = ?1 AND id = ?2";
pub(super) const INTENTS_FORGET: &str = "DELETE FROM intents WHERE shard = ?1 AND id <= ?2";

pub(super) const LEASES_THERE: &str = "SELECT 1 FROM sqlite_schema WHERE name = 'leases'";
pub(super) const LEASES_ENDED: &str = "DELETE FROM leases WHERE ends_at <= ?1 OR ends_at > ?2";
pub(super) const LEASE_TAKE: &str =
    "INSERT OR IGNORE INTO leases (key_hash, holder, ends_at) VALUES (?1, ?2, ?3)";
pub(super) const LEASE_RENEW: &str = "UPDATE leases SET ends_at = ?3 WHERE key_hash = ?1 AND holder = ?2";
pub(super) const LEASE_END: &str = "DELETE FROM leases WHERE key_hash = ?1 AND holder = ?2";
pub(super) const LEASE_GET: &str = "SELECT ends_at FROM leases WHERE key_hash = ?1";
