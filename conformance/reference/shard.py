"""One shard file: creation, opening and rows (CONTRACT.md sections 2, 6 and 9). Knows nothing of clocks or conditions."""

import sqlite3
from pathlib import Path

import record
import watched
from errors import Refused
from layout import APPLICATION_ID, FORMAT, PAGE_SIZE, SCHEMA, SLOTS, is_schema, shard_name


class Shard:
    """`connection` is None as long as there is no file: that is a shard without rows."""

    def __init__(
        self, directory: Path, number: int, read_only: bool = False, stash: bytes | None = None, counted: bool = False
    ) -> None:
        self.path = directory / shard_name(number)
        self.number = number
        self.stash = stash
        self.read_only = read_only
        # Whether the file is made a counted one.
        self.counted = counted
        self.connection: sqlite3.Connection | None = None
        # What the open transaction has changed.
        self.changes: list[watched.Change] = []
        if self.path.exists() and self.path.stat().st_size > 0:
            self._open()

    def begin(self) -> None:
        self.changes = []
        if self.connection:
            self.connection.execute("BEGIN IMMEDIATE")

    def end(self, keep: bool) -> None:
        if self.connection and self.connection.in_transaction:
            if keep:
                self._keep_counters()
            self.connection.execute("COMMIT" if keep else "ROLLBACK")

    def _keep_counters(self) -> None:
        """Counts anew, which is slow and cannot go wrong; a shard that is not counted has no such rows."""
        rows, stored = counters(self.connection)
        self.connection.execute("UPDATE meta SET value = ? WHERE name = 'rows'", (rows,))
        self.connection.execute("UPDATE meta SET value = ? WHERE name = 'bytes'", (stored,))

    def count(self) -> int:
        """Stored rows, expired ones included."""
        return counters(self.connection)[0] if self.connection else 0

    def row(self, slot: int, key_hash: bytes) -> tuple[bytes, int, int] | None:
        """value, timestamp and microsecond of a row."""
        if not self.connection:
            return None
        sql = f"SELECT value, timestamp, microsecond FROM slot_{slot} WHERE key_hash = ?"
        return self.connection.execute(sql, (key_hash,)).fetchone()

    def whole_row(self, slot: int, key_hash: bytes) -> tuple[object, bytes, int, int] | None:
        """key, value, timestamp and microsecond of a row."""
        sql = f"SELECT key, value, timestamp, microsecond FROM slot_{slot} WHERE key_hash = ?"
        return self.connection.execute(sql, (key_hash,)).fetchone()

    def rows(self, slot: int) -> list[tuple[bytes, object, bytes, int, int]]:
        """key_hash, key, value, timestamp and microsecond of every row of a slot, in order."""
        if not self.connection:
            return []
        sql = f"SELECT key_hash, key, value, timestamp, microsecond FROM slot_{slot} ORDER BY key_hash"
        return self.connection.execute(sql).fetchall()

    def put(self, slot: int, row: tuple[bytes, object, bytes, int, int], deadline: int | None, is_change: bool) -> None:
        """Stores a row. An existing one is updated in place, so that it keeps its rowid. A deadline that is prolonged is
        no change that watchers hear of."""
        key_hash, _, value, timestamp, microsecond = row
        if not self.connection:
            self.create()
            self.begin()
        if self.row(slot, key_hash):
            sql = f"UPDATE slot_{slot} SET value = ?, timestamp = ?, microsecond = ? WHERE key_hash = ?"
            self.connection.execute(sql, (value, timestamp, microsecond, key_hash))
        else:
            sql = f"INSERT INTO slot_{slot} (key_hash, key, value, timestamp, microsecond) VALUES (?, ?, ?, ?, ?)"
            self.connection.execute(sql, row)
        if is_change:
            version = record.join_version(timestamp, microsecond)
            self.changes.append(watched.Change(watched.SET, slot, key_hash, row[1], version))
        if deadline is not None:
            sql = "INSERT OR IGNORE INTO expiry (expires_at, slot, key_hash) VALUES (?, ?, ?)"
            self.connection.execute(sql, (deadline, slot, key_hash))

    def reseal(self, slot: int, key_hash: bytes, key: bytes, value: bytes) -> None:
        """The same row encrypted anew."""
        self.connection.execute(f"UPDATE slot_{slot} SET key = ?, value = ? WHERE key_hash = ?", (key, value, key_hash))

    def logged(self) -> list[tuple[int, int, bytes, bytes]]:
        """number, slot, key_hash and key of what the log of changes says of rows."""
        if not self.connection or not self.connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'changes'").fetchone():
            return []
        sql = "SELECT number, slot, key_hash, key FROM changes WHERE key_hash <> x'' ORDER BY number"
        return self.connection.execute(sql).fetchall()

    def relog(self, number: int, key: bytes) -> None:
        """The same key encrypted anew."""
        self.connection.execute("UPDATE changes SET key = ? WHERE number = ?", (key, number))

    def remove(self, change: watched.Change) -> None:
        self.connection.execute(f"DELETE FROM slot_{change.slot} WHERE key_hash = ?", (change.key_hash,))
        self.changes.append(change)

    def due_hints(self, now: int) -> list[tuple[int, int, bytes]]:
        """The rows of `expiry` that are due, in order."""
        if not self.connection:
            return []
        sql = "SELECT expires_at, slot, key_hash FROM expiry WHERE expires_at <= ? ORDER BY expires_at, slot, key_hash"
        return self.connection.execute(sql, (now,)).fetchall()

    def remove_hint(self, hint: tuple[int, int, bytes]) -> None:
        self.connection.execute("DELETE FROM expiry WHERE expires_at = ? AND slot = ? AND key_hash = ?", hint)

    def remove_all(self) -> None:
        if self.connection:
            if any(self.rows(slot) for slot in range(SLOTS)):
                self.changes.append(watched.CLEARED)
            for table in [f"slot_{slot}" for slot in range(SLOTS)] + ["expiry"]:
                self.connection.execute(f"DELETE FROM {table}")

    def total_changes(self) -> int:
        """Rows written since the connection was opened, also those that were rolled back."""
        return self.connection.total_changes if self.connection else 0

    def applied(self) -> int:
        """The number of the last transaction over several shards that this one has (section 14)."""
        if not self.connection:
            return 0
        row = self.connection.execute("SELECT value FROM meta WHERE name = 'applied'").fetchone()
        return row[0] if row else 0

    def is_marked(self) -> bool:
        """Whether whoever writes it looks into the journal first (section 9)."""
        return bool(self.connection.execute("SELECT 1 FROM meta WHERE name = 'journal'").fetchone())

    def set_applied(self, number: int) -> None:
        sql = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self.connection.execute(sql, ("journal", 1))
        self.connection.execute(sql, ("applied", number))

    def remove_file(self) -> None:
        """For a file that was made in vain, and with it perhaps a bucket's directory."""
        self.close()
        self.path.unlink(missing_ok=True)
        if self.path.parent.parent.name == "buckets" and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None

    def create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        run = sqlite3.connect(self.path, isolation_level=None)
        run.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        run.execute("PRAGMA auto_vacuum = INCREMENTAL")
        run.execute("PRAGMA journal_mode = WAL")
        run.execute("BEGIN IMMEDIATE")
        run.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        run.execute(f"PRAGMA user_version = {FORMAT}")
        for statement in SCHEMA:
            run.execute(statement)
        run.execute(f"INSERT INTO meta (name, value) VALUES ('format', {FORMAT})")
        run.execute(f"INSERT INTO meta (name, value) VALUES ('shard', {self.number})")
        if self.stash:
            run.execute("INSERT INTO meta (name, value) VALUES ('stash', ?)", (self.stash,))
        if self.counted:
            run.execute("INSERT INTO meta (name, value) VALUES ('rows', 0)")
            run.execute("INSERT INTO meta (name, value) VALUES ('bytes', 0)")
        run.execute("COMMIT")
        self.connection = run

    def _open(self) -> None:
        connection = connect_read_only(self.path) if self.read_only else sqlite3.connect(self.path, isolation_level=None)
        try:
            if self._complete(connection):
                self.connection = connection
        except sqlite3.DatabaseError as error:
            raise Refused("NotAStash", f"{self.path.name}: {error}") from error
        finally:
            if self.connection is None:
                connection.close()

    def _complete(self, connection: sqlite3.Connection) -> bool:
        """False for a creation that was cut short; Refused for a file that is not this shard."""
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        schema = schema_texts(connection)
        if (application_id, version, schema) == (0, 0, []):
            return False
        if application_id != APPLICATION_ID:
            raise Refused("NotAStash", f"{self.path.name}: application_id {application_id:#x}")
        if version > FORMAT:
            raise Refused("UnsupportedFormat", f"{self.path.name}: version {version}, known is {FORMAT}")
        if version != FORMAT or not is_schema(schema):
            raise Refused("NotAStash", f"{self.path.name}: foreign schema or version")
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        if meta.get("format") != FORMAT or meta.get("shard") != self.number:
            raise Refused("NotAStash", f"{self.path.name}: meta does not fit the file")
        if meta.get("stash") != self.stash:
            kind = "NotAStash" if self.stash else "WrongKey"
            raise Refused(kind, f"{self.path.name}: of another stash, or encrypted where the stash is not")
        return True


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Opens without leaving anything behind: a read-only connection to a WAL file would leave `-wal` and `-shm` files,
    unless it is told that nobody writes. That is so where there is no `-wal`."""
    wal = path.with_name(path.name + "-wal")
    mode = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)


def counters(connection: sqlite3.Connection) -> tuple[int, int]:
    """Stored rows, and the bytes of their keys and records."""
    rows = stored = 0
    for slot in range(SLOTS):
        # A blob's length is in bytes; a cast of text to one keeps its bytes.
        size = "CASE WHEN typeof(key) IN ('text', 'blob') THEN length(CAST(key AS BLOB)) ELSE 8 END + length(value)"
        found = connection.execute(f"SELECT count(*), coalesce(sum({size}), 0) FROM slot_{slot}").fetchone()
        rows, stored = rows + found[0], stored + found[1]
    return rows, stored


def schema_texts(connection: sqlite3.Connection) -> list[str]:
    """Everything in the schema but the indexes that SQLite makes by itself, which have no text."""
    return [text for (text,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")]
