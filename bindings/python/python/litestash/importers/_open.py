"""Opening another package's SQLite file: read-only, and for what it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from .._errors import InvalidArgumentError


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database. Nothing in it is changed."""
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection
    except sqlite3.DatabaseError as error:
        raise InvalidArgumentError(f"the store cannot be read: {error}") from error


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns."""
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def tables(connection: sqlite3.Connection) -> list[str]:
    """The names of the tables, SQLite's own left out."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    return [name for (name,) in connection.execute(sql)]


def us(seconds: float | None) -> int | None:
    """Unix time in microseconds."""
    return None if seconds is None else round(seconds * 1e6)
