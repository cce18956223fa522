"""Stores of LiveDict: its SQLite and its file backend. Values are JSON encrypted with AES-GCM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .._errors import InvalidArgumentError
from ._open import columns, opened, quoted, tables, us
from ._row import Pickled, Refusal, Refused, Row

_TAG = b"LD1"
_NONCE = 12
_DEFAULT_BUCKETS = ("main", "__default__")


def rows(path: Path, pickled: Pickled, *, table: str | None, keys: list[bytes] | None) -> Iterator[Row | Refusal]:
    """Every row; without the right key each is refused."""
    decrypt = _decryption(keys or [])
    yield from _files(path, decrypt) if path.is_dir() else _table(path, table, decrypt)


def _decryption(keys: list[bytes]) -> Callable[[bytes], bytes]:
    if not keys:

        def refuse(blob: bytes) -> bytes:
            raise Refused("the value is encrypted; give its key with keys=")

        return refuse
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise InvalidArgumentError("values of LiveDict are decrypted with the package cryptography") from error
    ciphers = [AESGCM(key) for key in keys]

    def decrypt(blob: bytes) -> bytes:
        if not blob.startswith(_TAG):
            raise Refused("the value is not as LiveDict writes it")
        nonce, text = blob[len(_TAG) : len(_TAG) + _NONCE], blob[len(_TAG) + _NONCE :]
        for cipher in ciphers:
            try:
                plain: bytes = cipher.decrypt(nonce, text, None)
                return plain
            except InvalidTag:
                continue
        raise Refused("none of the keys is the value's")

    return decrypt


def _row(where: str, bucket: str, key: str, blob: bytes, expires: float, decrypt: Callable[[bytes], bytes]) -> Any:
    try:
        value = json.loads(decrypt(blob))
    except Refused as refused:
        return Refusal(where, str(refused))
    except ValueError:
        return Refusal(where, "the value is no JSON")
    # Rows that never expire have a deadline below 0.
    deadline = us(expires) if expires >= 0 else None
    return Row(where, key, value, deadline, bucket=None if bucket in _DEFAULT_BUCKETS else bucket)


def _table(path: Path, table: str | None, decrypt: Callable[[bytes], bytes]) -> Iterator[Row | Refusal]:
    with opened(path) as connection:
        wanted = ["bucket", "key", "value", "expire_at"]
        names = [name for name in tables(connection) if columns(connection, name) == wanted and table in (None, name)]
        if not names:
            raise InvalidArgumentError("the file is no store of LiveDict")
        for name in names:
            sql = f"SELECT rowid, bucket, key, value, expire_at FROM {quoted(name)}"
            for rowid, bucket, key, blob, expires in connection.execute(sql):
                yield _row(f"{name} row {rowid}", bucket, key, bytes(blob), expires, decrypt)


def _files(folder: Path, decrypt: Callable[[bytes], bytes]) -> Iterator[Row | Refusal]:
    for file in sorted(folder.glob("*/*.entry")):
        where = f"{file.parent.name}/{file.name}"
        meta, _, blob = file.read_bytes().partition(b"\n")
        try:
            expires = float(json.loads(meta)["expire_at"])
        except (ValueError, KeyError, TypeError):
            yield Refusal(where, "the file is not as LiveDict writes it")
            continue
        yield _row(where, file.parent.name, file.name.removesuffix(".entry"), blob, expires, decrypt)
