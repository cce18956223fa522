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

/// The `meta` row that holds [`FORMAT`].
pub const META_FORMAT: &str = "format";

/// The `meta` row that holds the shard's number.
pub const META_SHARD: &str = "shard";

/// The `meta` row that identifies the stash; only shards of encrypted ones have it.
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
        for (name, sql) in TABLES {
            assert!(page.contains(&format!("    {sql}\n")), "docs/CONTRACT.md differs for {name}");
        }
        assert!(page.contains(&format!("PRAGMA application_id = {APPLICATION_ID};")));
    }
}
