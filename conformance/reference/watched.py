"""The log of changes of a shard that somebody watches (CONTRACT.md section 9)."""

import sqlite3
from dataclasses import dataclass

BEGIN, SET, DELETE, EXPIRE, EVICT, CLEAR = range(6)
KINDS = range(6)

# Scripts are run by one handle, whose random number is this.
ORIGIN = 1

KEPT_US = 60_000_000
AHEAD_US_MAX = 3_600_000_000
KEPT_ROWS = 32_768
STEP_AT_END = 256


@dataclass(frozen=True)
class Change:
    kind: int
    slot: int = 0
    key_hash: bytes = b""
    key: object = b""
    version: int = 0


BEGUN = Change(BEGIN)
CLEARED = Change(CLEAR)


def watch(connection: sqlite3.Connection, now: int, us: int) -> None:
    """Inside a transaction: asks writers to log their changes until now + us."""
    until = _mark(connection)
    exists = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'changes'").fetchone()
    if not exists:
        connection.execute(
            "CREATE TABLE changes (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, origin INTEGER NOT NULL, "
            "kind INTEGER NOT NULL, slot INTEGER NOT NULL, key_hash BLOB NOT NULL, key ANY NOT NULL, "
            "version INTEGER NOT NULL) STRICT"
        )
    watched = until is not None and _is_ahead(until, now)
    if not exists or not watched:
        _add(connection, now, BEGUN)
    _set_mark(connection, max(until, now + us) if watched else now + us)


def finish(connection: sqlite3.Connection | None, now: int, changes: list[Change]) -> None:
    """The end of a transaction: logs what it changed while somebody watches, and shortens the log."""
    until = _mark(connection) if connection and changes else None
    if until is None:
        return
    if _is_ahead(until, now):
        for change in changes:
            _add(connection, now, change)
        _trim(connection, now, 16 + 2 * len(changes))
        return
    numbers = [number for (number,) in connection.execute("SELECT number FROM changes ORDER BY number")]
    gone = [number for number in numbers[:-1] if number < numbers[0] + STEP_AT_END]
    connection.executemany("DELETE FROM changes WHERE number = ?", [(number,) for number in gone])
    _set_mark(connection, 0 if len(numbers) - len(gone) > 1 else None)


def _is_ahead(until: int, now: int) -> bool:
    return 0 < until - now <= AHEAD_US_MAX


def _mark(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT value FROM meta WHERE name = 'watched_until'").fetchone()
    return row[0] if row else None


def _set_mark(connection: sqlite3.Connection, until: int | None) -> None:
    connection.execute("DELETE FROM meta WHERE name = 'watched_until'")
    if until is not None:
        connection.execute("INSERT INTO meta (name, value) VALUES ('watched_until', ?)", (until,))


def _add(connection: sqlite3.Connection, now: int, change: Change) -> None:
    number = (connection.execute("SELECT max(number) FROM changes").fetchone()[0] or 0) + 1
    row = (number, now, ORIGIN, change.kind, change.slot, change.key_hash, change.key, change.version)
    connection.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _trim(connection: sqlite3.Connection, now: int, step: int) -> None:
    rows = connection.execute("SELECT number, at FROM changes ORDER BY number").fetchall()
    lowest, greatest = rows[0][0], rows[-1][0]
    for number, at in rows[:-1]:
        if number < lowest + step and (abs(at - now) > KEPT_US or number <= greatest - KEPT_ROWS):
            connection.execute("DELETE FROM changes WHERE number = ?", (number,))
