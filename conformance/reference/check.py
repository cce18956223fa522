"""Reads a closed stash with plain SQLite and holds it against CONTRACT.md: layout, then every row.

Shares with the rest of the reference only what the contract fixes (layout, keys, records), not how a stash writes.
"""

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import buckets as bucket_names
import keyring
import record
import watched
from errors import Refused
from keyring import Counter
from keys import Key, make_key
from layout import APPLICATION_ID, FORMAT, MARKS, OPTIONAL_SCHEMA, PAGE_SIZE, SHARDS, SLOTS, is_schema, shard_name
from sealing import Crypt, Place
from shard import connect_read_only, counters, schema_texts

TABLES = {f"slot_{slot}" for slot in range(SLOTS)} | {"expiry", "meta"} | {text.split()[2] for text in OPTIONAL_SCHEMA}


class Report:
    def __init__(self) -> None:
        self.rows = 0
        self.shards = 0
        self.problems: list[str] = []


def check(directory: Path, secret: bytes | None = None) -> Report:
    """Counts the rows of a stash and its buckets and lists everything that breaks the contract."""
    report = Report()
    if not directory.is_dir():
        report.problems.append(f"{directory}: no directory")
        return report
    try:
        keys = keyring.open_or_make(directory, secret, Counter(), read_only=True)
    except Refused as error:
        report.problems.append(f"keyring: {error}")
        return report
    _check_stash(directory, "", report, Crypt(keys) if keys else None)
    buckets = directory / "buckets"
    for bucket in sorted(buckets.iterdir()) if buckets.is_dir() else []:
        if not bucket.is_dir() or bucket_names.read(bucket.name) is None:
            # Ignored, as every other name in a stash.
            continue
        crypt = Crypt(keys, bucket_names.read(bucket.name)) if keys else None
        _check_stash(bucket, f"buckets/{bucket.name}/", report, crypt)
    return report


def _check_stash(directory: Path, prefix: str, report: Report, crypt: Crypt | None) -> None:
    for number in range(SHARDS):
        path = directory / shard_name(number)
        if not path.exists():
            continue
        for problem in _check_shard(path, number, report, crypt):
            report.problems.append(f"{prefix}{path.name}: {problem}")


def _check_shard(path: Path, number: int, report: Report, crypt: Crypt | None) -> Iterator[str]:
    if path.stat().st_size == 0:
        return
    for suffix in ("-wal", "-shm"):
        if path.with_name(path.name + suffix).exists():
            yield f"{path.name}{suffix} is there: not closed, or still in use"
            return
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(b"SQLite format 3\0") or len(header) < 100:
        yield "not a SQLite database"
        return
    connection = connect_read_only(path)
    # Text comes as bytes, so that text which is not UTF-8 is reported instead of raised.
    connection.text_factory = bytes
    try:
        if _cut_short(connection):
            return
        report.shards += 1
        yield from _check_header(header)
        layout_problems = list(_check_layout(connection, number, crypt))
        yield from layout_problems
        if not layout_problems:
            yield from _check_rows(connection, number, report, crypt)
    except sqlite3.DatabaseError as error:
        yield f"SQLite: {error}"
    finally:
        connection.close()


def _cut_short(connection: sqlite3.Connection) -> bool:
    numbers = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    return numbers == [0, 0] and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone()


def _check_header(header: bytes) -> Iterator[str]:
    def number(at: int) -> int:
        return struct.unpack_from(">I", header, at)[0]

    facts = [
        ("page size", struct.unpack_from(">H", header, 16)[0], PAGE_SIZE),
        ("journal mode bytes", header[18:20].hex(), "0202"),
        ("text encoding", number(56), 1),
        ("incremental vacuum", number(64), 1),
        ("user_version", number(60), FORMAT),
        ("application_id", number(68), APPLICATION_ID),
    ]
    for name, found, wanted in facts:
        if found != wanted:
            yield f"header: {name} is {found}, not {wanted}"
    if number(52) == 0:
        yield "header: auto-vacuum is off"


def _check_layout(connection: sqlite3.Connection, number: int, crypt: Crypt | None) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != b"ok":
            yield f"integrity: {line.decode('utf-8', 'replace')}"
    if not is_schema([text.decode("utf-8", "replace") for text in schema_texts(connection)]):
        yield "schema texts differ"
    for kind, name, table, sql in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"):
        made_by_sqlite = kind == b"index" and name.startswith(b"sqlite_autoindex_") and sql is None
        if not made_by_sqlite and (kind != b"table" or name.decode("utf-8", "replace") not in TABLES or name != table):
            yield f"foreign {kind.decode()} {name.decode('utf-8', 'replace')}"
    meta = connection.execute("SELECT name, typeof(value), value FROM meta ORDER BY name").fetchall()
    wanted = [(b"format", b"integer", FORMAT), (b"shard", b"integer", number)]
    if crypt:
        wanted.append((b"stash", b"blob", crypt.keyring.stash))
    marks = [row for row in meta if row[0].decode("utf-8", "replace") in MARKS and row[1] == b"integer"]
    if [row for row in meta if row not in marks] != wanted:
        yield f"meta holds {meta}"
    counted = {row[0].decode(): row[2] for row in marks if row[0] in (b"rows", b"bytes")}
    if counted:
        rows, stored = counters(connection)
        if counted != {"rows": rows, "bytes": stored}:
            yield f"meta counts {counted}, there are {rows} rows with {stored} bytes"


def _check_rows(connection: sqlite3.Connection, number: int, report: Report, crypt: Crypt | None) -> Iterator[str]:
    hints = set(connection.execute("SELECT expires_at, slot, key_hash FROM expiry"))
    for expires_at, slot, key_hash in sorted(hints):
        if not 0 <= slot < SLOTS or len(key_hash) != 64:
            yield f"expiry row ({expires_at}, {slot}, {key_hash.hex()}) names no row"
    for slot in range(SLOTS):
        sql = f"SELECT key_hash, typeof(key), key, value, timestamp, microsecond FROM slot_{slot} ORDER BY key_hash"
        for row in connection.execute(sql):
            report.rows += 1
            for problem in _check_row(Place(number, slot, row[0]), row, hints, crypt):
                yield f"slot_{slot} {row[0].hex()[:16]}: {problem}"
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'changes'").fetchone():
        for row in connection.execute("SELECT number, kind, slot, key_hash, typeof(key), key FROM changes"):
            for problem in _check_change(number, *row[1:], crypt):
                yield f"changes {row[0]}: {problem}"


def _check_row(place: Place, row: tuple, hints: set, crypt: Crypt | None) -> Iterator[str]:
    key_hash, storage, stored, value, timestamp, microsecond = row
    try:
        key = _read_key(storage.decode(), stored, place, crypt)
    except Refused as error:
        yield f"key: {error}"
    else:
        if key.hash != key_hash:
            yield f"key_hash is not that of the key {key.native!r}"
        if (key.shard, key.slot) != (place.shard, place.slot):
            yield f"the key {key.native!r} belongs into {shard_name(key.shard)} slot_{key.slot}"
    try:
        parsed = record.parse(key_hash, timestamp, microsecond, value, crypt, place)
    except Refused as error:
        yield f"record: {error}"
        return
    if parsed.expires_at is not None and (parsed.expires_at, place.slot, key_hash) not in hints:
        yield f"no expiry row for the deadline {parsed.expires_at}"


def _check_change(number: int, kind: int, slot: int, key_hash: bytes, storage: bytes, stored: object, crypt: Crypt | None) -> Iterator[str]:
    if kind not in watched.KINDS:
        yield f"kind {kind}"
    elif kind in (watched.BEGIN, watched.CLEAR):
        if (slot, key_hash, stored) != (0, b"", b""):
            yield "a row of this kind names no key"
    else:
        try:
            key = _read_key(storage.decode(), stored, Place(number, slot, key_hash), crypt)
        except Refused as error:
            yield f"key: {error}"
            return
        if (key.hash, key.shard, key.slot) != (key_hash, number, slot):
            yield f"the key {key.native!r} does not belong there"


def _read_key(storage: str, stored: object, place: Place, crypt: Crypt | None) -> Key:
    if crypt:
        if storage != "blob":
            raise Refused("Corrupt", f"stored as {storage}, not encrypted")
        return make_key(crypt.open_key(place, stored), crypt.hash_key)
    if storage == "text":
        try:
            stored = stored.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("InvalidKey", "text is not UTF-8") from error
    key = make_key(stored)
    if key.storage != storage:
        raise Refused("InvalidKey", f"stored as {storage}, which is not its normal form {key.storage}")
    return key
