"""Stores of diskcache: `Cache`, `FanoutCache`, with `Disk` or `JSONDisk`; also `Deque` and `Index`, which are caches."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._open import opened, us
from ._row import Pickled, Refusal, Refused, Row

_RAW, _BINARY, _TEXT, _PICKLE = 1, 2, 3, 4

#: The longest JSON of a compressed value.
_JSON_BYTES_MAX = 256 << 20

_COLUMNS = "rowid, key, raw, store_time, expire_time, mode, filename, value"


def rows(path: Path, pickled: Pickled, *, table: str | None, keys: list[bytes] | None) -> Iterator[Row | Refusal]:
    """Every row of a cache's directory, and of the directories of a fanout cache."""
    folder = path if path.is_dir() else path.parent
    for database in sorted([folder / "cache.db", *folder.glob("[0-9][0-9][0-9]/cache.db")]):
        if database.is_file():
            yield from _cache(database, pickled)


def _cache(database: Path, pickled: Pickled) -> Iterator[Row | Refusal]:
    with opened(database) as connection:
        for rowid, key, raw, stored, expires, mode, name, value in connection.execute(f"SELECT {_COLUMNS} FROM Cache"):
            where = f"{database.parent.name}/cache.db row {rowid}"
            try:
                if raw and _is_json(key):
                    yield Row(where, _json_key(key), _json(_read(database, mode, name, value)), us(expires), us(stored))
                    continue
                given = key if raw else pickled.key(bytes(key))
                content = _read(database, mode, name, value)
                if mode == _PICKLE:
                    content = pickled.value(content)
                yield Row(where, given, content, us(expires), us(stored))
            except (Refused, OSError, ValueError, zlib.error, sqlite3.Error) as error:
                yield Refusal(where, str(error))


def _read(database: Path, mode: int, name: str | None, value: Any) -> Any:
    if name is None:
        return value
    file = (database.parent / name).resolve()
    if not file.is_relative_to(database.parent.resolve()):
        raise Refused("the file of the value is outside of the cache")
    data = file.read_bytes()
    if mode == _TEXT:
        return data.decode("utf-8")
    if mode in (_RAW, _BINARY, _PICKLE):
        return data
    raise Refused("the value is stored in an unknown mode")


def _is_json(key: Any) -> bool:
    """Whether the key is one of `JSONDisk`, which leaves no other trace: compressed JSON."""
    if not isinstance(key, bytes) or key[:1] != b"\x78":
        return False
    try:
        _json(key)
    except (ValueError, zlib.error, Refused):
        return False
    return True


def _json(data: bytes) -> Any:
    inflate = zlib.decompressobj()
    text = inflate.decompress(data, _JSON_BYTES_MAX)
    if inflate.unconsumed_tail:
        raise Refused("the compressed value is too long")
    return json.loads(text)


def _json_key(data: bytes) -> Any:
    key = _json(data)
    if isinstance(key, (str, int, float)):
        return key
    raise Refused("the key is no text and no number")
