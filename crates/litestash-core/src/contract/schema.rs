//! A shard file's header values and tables (`docs/CONTRACT.md` 2 and 9).

use super::limits::SLOTS;
use super::route::Slot;

/// The contract's version: `user_version` and `meta.format`.
pub const FORMAT: i64 = 1;

/// `application_id`: "LSTH".
pub const APPLICATION_ID: i64 = 0x4C53_5448;

/// Bytes of a database page.
pub const PAGE_BYTES: i64 = 4096;

/// `PRAGMA auto_vacuum` of a shard: incremental.
pub const AUTO_VACUUM: i64 = 2;

macro_rules! slot_table {
    ($slot:literal) => {
        concat!(
            "CREATE TABLE slot_",
            $slot,
            " (key_hash BLOB PRIMARY KEY NOT NULL, key ANY NOT NULL, value BLOB NOT NULL, ",
            "timestamp INTEGER NOT NULL, microsecond INTEGER NOT NULL) STRICT"
        )
    };
}

/// The tables as (name, text in `sqlite_schema`), in the order of their creation.
pub const TABLES: [(&str, &str); SLOTS + 2] = [
    ("slot_0", slot_table!("0")),
    ("slot_1", slot_table!("1")),
    ("slot_2", slot_table!("2")),
    ("slot_3", slot_table!("3")),
    (
        "expiry",
        "CREATE TABLE expiry (expires_at INTEGER NOT NULL, slot INTEGER NOT NULL, key_hash BLOB NOT NULL, \
         PRIMARY KEY (expires_at, slot, key_hash)) STRICT, WITHOUT ROWID",
    ),
    ("meta", "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value ANY NOT NULL) STRICT, WITHOUT ROWID"),
];

/// Tables that a shard may have besides, as (name, text): each is made by whoever needs it first.
pub const OPTIONAL_TABLES: [(&str, &str); 3] = [
    (
        "access",
        "CREATE TABLE access (slot INTEGER NOT NULL, key_hash BLOB NOT NULL, used_at INTEGER NOT NULL, \
         uses INTEGER NOT NULL, PRIMARY KEY (slot, key_hash)) STRICT, WITHOUT ROWID",
    ),
    (
        CHANGES,
        "CREATE TABLE changes (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, origin INTEGER NOT NULL, \
         kind INTEGER NOT NULL, slot INTEGER NOT NULL, key_hash BLOB NOT NULL, key ANY NOT NULL, \
         version INTEGER NOT NULL) STRICT",
    ),
    (
        "leases",
        "CREATE TABLE leases (key_hash BLOB PRIMARY KEY NOT NULL, holder BLOB NOT NULL, ends_at INTEGER NOT NULL) \
         STRICT, WITHOUT ROWID",
    ),
];

/// The table of what was changed while somebody watched.
pub const CHANGES: &str = "changes";
/// The file of the journal, and its `application_id`: "LSTJ".
pub const JOURNAL_FILE: &str = "journal.db";
/// See [`JOURNAL_FILE`].
pub const JOURNAL_APPLICATION_ID: i64 = 0x4C53_544A;

/// The tables of the journal, as [`TABLES`].
pub const JOURNAL_TABLES: [(&str, &str); 2] = [
    (
        "intents",
        "CREATE TABLE intents (shard INTEGER NOT NULL, id INTEGER NOT NULL, changes BLOB NOT NULL, \
         PRIMARY KEY (shard, id)) STRICT, WITHOUT ROWID",
    ),
    ("meta", "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value ANY NOT NULL) STRICT, WITHOUT ROWID"),
];

/// The `meta` row of the journal that holds the number of its last transaction.
pub const META_LAST: &str = "last";

/// The `meta` row that holds [`FORMAT`].
pub const META_FORMAT: &str = "format";

/// The `meta` row that holds the shard's number.
pub const META_SHARD: &str = "shard";

/// The `meta` row that counts stored rows, where they are counted.
pub const META_ROWS: &str = "rows";

/// The `meta` row that counts the bytes of keys and records, where they are counted.
pub const META_BYTES: &str = "bytes";

/// The `meta` row that says until when changes are watched: Unix time in microseconds.
pub const META_WATCHED_UNTIL: &str = "watched_until";

/// The `meta` row that says that the stash has a journal.
pub const META_JOURNAL: &str = "journal";

/// The `meta` row that holds the number of the last transaction of the journal that the shard has.
pub const META_APPLIED: &str = "applied";

/// The `meta` row that says that the shard was given up.
pub const META_DROPPED: &str = "dropped";

/// The `meta` row that identifies the stash; only the files of encrypted ones have it.
pub const META_STASH: &str = "stash";

/// The name of a slot's table.
pub const fn slot_table(slot: Slot) -> &'static str {
    TABLES[slot.index()].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normative_page_prints_these_texts() {
        let page = include_str!("../../../../docs/CONTRACT.md");
        for (name, sql) in TABLES.into_iter().chain(OPTIONAL_TABLES).chain(JOURNAL_TABLES) {
            assert!(page.contains(&format!("    {sql}\n")), "docs/CONTRACT.md differs for {name}");
        }
        for id in [APPLICATION_ID, JOURNAL_APPLICATION_ID] {
            assert!(page.contains(&format!("PRAGMA application_id = {id};")));
        }
    }
}
