"""Stores that are tables of one SQLite file."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._errors import InvalidArgumentError
from ._open import columns, opened, quoted, tables, us
from ._row import Pickled, Refusal, Refused, Row

_Rows = Iterator["Row | Refusal"]


def _chosen(names: list[str], table: str | None) -> str:
    if table is not None:
        if table in names:
            return table
        raise InvalidArgumentError("the store has no such table")
    if len(names) == 1:
        return names[0]
    if not names:
        raise InvalidArgumentError("the file is no store of that kind")
    raise InvalidArgumentError(f"the store has several tables; choose one with table=: {', '.join(sorted(names))}")


def _with(connection: Any, wanted: list[str]) -> list[str]:
    return [name for name in tables(connection) if columns(connection, name) == wanted]


def sqlitedict(path: Path, pickled: Pickled, *, table: str | None, keys: list[bytes] | None) -> _Rows:
    """Values are pickled; those of a custom encoder are taken as JSON if they are, else as they are."""
    with opened(path) as connection:
        name = _chosen(_with(connection, ["key", "value"]), table)
        for rowid, key, value in connection.execute(f"SELECT rowid, key, value FROM {quoted(name)}"):
            where = f"{name} row {rowid}"
            try:
                if isinstance(value, bytes) and value[:1] == b"\x80":
                    value = pickled.value(value)
                elif isinstance(value, str):
                    value = _json_or_text(value)
                yield Row(where, key, value)
            except Refused as refused:
                yield Refusal(where, str(refused))


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def kv_cache(path: Path, pickled: Pickled, *, table: str | None, keys: list[bytes] | None) -> _Rows:
    """Values are JSON; deadlines are local time without a zone."""
    with opened(path) as connection:
        name = _chosen(_with(connection, ["key", "value", "expires_at"]), table)
        for rowid, key, value, expires in connection.execute(
            f"SELECT rowid, key, value, expires_at FROM {quoted(name)}"
        ):
            where = f"{name} row {rowid}"
            try:
                deadline = None if expires is None else datetime.datetime.fromisoformat(expires).timestamp()
                yield Row(where, key, json.loads(value), us(deadline))
            except (ValueError, TypeError) as error:
                yield Refusal(where, f"the row is not as kv-cache writes it: {type(error).__name__}")


def diskstore(path: Path, pickled: Pickled, *, table: str | None, keys: list[bytes] | None) -> _Rows:
    """A table with a column for each field, or the one column `value`, which is text where it is JSON."""
    with opened(path) as connection:
        names = [name for name in tables(connection) if columns(connection, name)[:1] == ["_key"]]
        name = _chosen(names, table)
        fields = columns(connection, name)[1:]
        types = dict(connection.execute("SELECT name, upper(type) FROM pragma_table_info(?)", (name,)))
        is_json = fields == ["value"] and types["value"] == "TEXT"
        listed = ", ".join(map(quoted, ["rowid", "_key", *fields]))
        for rowid, key, *values in connection.execute(f"SELECT {listed} FROM {quoted(name)}"):
            where = f"{name} row {rowid}"
            try:
                if fields == ["value"]:
                    yield Row(where, key, json.loads(values[0]) if is_json else values[0])
                else:
                    yield Row(where, key, dict(zip(fields, values, strict=True)))
            except ValueError:
                yield Refusal(where, "the value is no JSON")


#: What the beta's tables have.
_BETA = {"key_hash", "key", "value"}


def litestash_beta(path: Path, pickled: Pickled, *, table: str | None, keys: list[bytes] | None) -> _Rows:
    """The sixteen databases of 0.1.0b5, each in a directory of its own; values are JSON."""
    files = [path] if path.is_file() else sorted(path.glob("**/*.db"))
    for file in files:
        with opened(file) as connection:
            for name in tables(connection):
                if set(columns(connection, name)) >= _BETA and table in (None, name):
                    yield from _beta_rows(connection, file.name, name)


def _beta_rows(connection: Any, file: str, name: str) -> _Rows:
    has_time = {"timestamp", "microsecond"} <= set(columns(connection, name))
    time = "timestamp, microsecond" if has_time else "NULL, NULL"
    for rowid, key, value, seconds, micros in connection.execute(
        f"SELECT rowid, key, value, {time} FROM {quoted(name)}"
    ):
        where = f"{file} {name} row {rowid}"
        try:
            stored = None if seconds is None else int(seconds) * 1_000_000 + int(micros or 0)
            yield Row(where, key, _beta_value(value), stored_us=stored)
        except ValueError as error:
            yield Refusal(where, f"the value is not as the beta writes it: {type(error).__name__}")


def _beta_value(value: Any) -> Any:
    """JSON, or JSON of a text that is JSON."""
    decoded = json.loads(value) if isinstance(value, (str, bytes)) else value
    if isinstance(decoded, str):
        try:
            return json.loads(decoded)
        except ValueError:
            return decoded
    return decoded
