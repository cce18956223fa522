"""Fixed texts and numbers of the directory and of a shard file (CONTRACT.md sections 1, 2 and 9)."""

FORMAT = 1
APPLICATION_ID = 0x4C535448
PAGE_SIZE = 4096
SHARDS = 16
SLOTS = 4

_SLOT = (
    "CREATE TABLE slot_{} (key_hash BLOB PRIMARY KEY NOT NULL, key ANY NOT NULL, value BLOB NOT NULL, "
    "timestamp INTEGER NOT NULL, microsecond INTEGER NOT NULL) STRICT"
)

SCHEMA = [_SLOT.format(slot) for slot in range(SLOTS)] + [
    "CREATE TABLE expiry (expires_at INTEGER NOT NULL, slot INTEGER NOT NULL, key_hash BLOB NOT NULL, "
    "PRIMARY KEY (expires_at, slot, key_hash)) STRICT, WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value ANY NOT NULL) STRICT, WITHOUT ROWID",
]

# Each is there only where it was needed, behind the others, in any order.
OPTIONAL_SCHEMA = [
    "CREATE TABLE access (slot INTEGER NOT NULL, key_hash BLOB NOT NULL, used_at INTEGER NOT NULL, uses INTEGER NOT NULL, "
    "PRIMARY KEY (slot, key_hash)) STRICT, WITHOUT ROWID",
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, origin INTEGER NOT NULL, kind INTEGER NOT NULL, "
    "slot INTEGER NOT NULL, key_hash BLOB NOT NULL, key ANY NOT NULL, version INTEGER NOT NULL) STRICT",
    "CREATE TABLE leases (key_hash BLOB PRIMARY KEY NOT NULL, holder BLOB NOT NULL, ends_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
]

MARKS = {"rows", "bytes", "watched_until", "journal", "applied", "dropped"}

JOURNAL = "journal.db"
JOURNAL_APPLICATION_ID = 0x4C53544A
JOURNAL_SCHEMA = [
    "CREATE TABLE intents (shard INTEGER NOT NULL, id INTEGER NOT NULL, changes BLOB NOT NULL, "
    "PRIMARY KEY (shard, id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value ANY NOT NULL) STRICT, WITHOUT ROWID",
]


def is_schema(texts: list[str]) -> bool:
    more = texts[len(SCHEMA) :]
    return texts[: len(SCHEMA)] == SCHEMA and len(set(more)) == len(more) and set(more) <= set(OPTIONAL_SCHEMA)


def shard_name(number: int) -> str:
    return f"shard-{number:x}.db"
