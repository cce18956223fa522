"""Encryption of records and keys (CONTRACT.md section 15)."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import xchacha
from errors import Refused
from keyring import Keyring, derive
from layout import FORMAT

_TAGS = {"text": 1, "integer": 2, "real": 3, "blob": 4}


@dataclass(frozen=True)
class Place:
    """Where a row is found: shard, slot, key_hash."""

    shard: int
    slot: int
    key_hash: bytes

    @staticmethod
    def of(key_hash: bytes) -> "Place":
        return Place(key_hash[0] >> 4, key_hash[0] >> 2 & 3, key_hash)


class Crypt:
    """The keys of a stash, or of one of its buckets."""

    def __init__(self, keyring: Keyring, bucket: str = "") -> None:
        self.keyring = keyring
        self.bucket = bucket.encode()
        self.hash_key = derive(keyring.hash_key, b"litestash:hash", self.bucket)

    def _key(self, epoch: int, label: bytes) -> bytes:
        if epoch not in self.keyring.epochs:
            raise Refused("Corrupt", f"no key of epoch {epoch}")
        return derive(self.keyring.epochs[epoch], label, self.bucket)

    def _place(self, label: bytes, place: Place) -> bytes:
        return label.ljust(16, b"\0") + bytes([FORMAT]) + self.keyring.stash + bytes([place.shard, place.slot]) + place.key_hash

    def _record_data(self, place: Place, time: tuple[int, int], flags: int, fields: bytes) -> bytes:
        return self._place(b"litestash:record", place) + struct.pack(">qIB", *time, flags) + fields + self.bucket

    def seal_record(self, place: Place, time: tuple[int, int], flags: int, fields: bytes, body: bytes, draw: Callable[[int], bytes]) -> bytes:
        """The optional fields with epoch and nonce, and the encrypted body."""
        epoch, nonce = self.keyring.current, draw(xchacha.NONCE)
        fields += struct.pack(">I", epoch) + nonce
        data = self._record_data(place, time, flags, fields)
        return fields + xchacha.encrypt(self._key(epoch, b"litestash:record"), nonce, data, body)

    def open_record(self, place: Place, time: tuple[int, int], flags: int, fields: bytes, sealed: bytes) -> bytes:
        """`fields` end with epoch and nonce."""
        if len(sealed) <= xchacha.TAG:
            raise Refused("Corrupt", "no body")
        (epoch,), nonce = struct.unpack_from(">I", fields, len(fields) - 28), fields[-24:]
        data = self._record_data(place, time, flags, fields)
        return xchacha.decrypt(self._key(epoch, b"litestash:record"), nonce, data, sealed)

    def _key_data(self, place: Place, epoch: int) -> bytes:
        return self._place(b"litestash:key", place) + struct.pack(">I", epoch) + self.bucket

    def seal_key(self, place: Place, storage: str, raw: bytes) -> bytes:
        epoch = self.keyring.current
        plain, nonce = bytes([_TAGS[storage]]) + raw, place.key_hash[: xchacha.NONCE]
        return struct.pack(">I", epoch) + xchacha.encrypt(self._key(epoch, b"litestash:key"), nonce, self._key_data(place, epoch), plain)

    def open_key(self, place: Place, column: object) -> object:
        """The native key, not yet known to be in normal form or to have this hash."""
        if not isinstance(column, bytes) or len(column) < 4:
            raise Refused("Corrupt", "key column without an epoch")
        epoch = struct.unpack_from(">I", column)[0]
        plain = xchacha.decrypt(self._key(epoch, b"litestash:key"), place.key_hash[: xchacha.NONCE], self._key_data(place, epoch), column[4:])
        tag, raw = plain[:1], plain[1:]
        if tag == b"\1":
            try:
                return raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Refused("Corrupt", "key is not UTF-8") from error
        if tag == b"\4":
            return raw
        if tag not in (b"\2", b"\3") or len(raw) != 8:
            raise Refused("Corrupt", "no key")
        return struct.unpack(">q" if tag == b"\2" else ">d", raw)[0]
