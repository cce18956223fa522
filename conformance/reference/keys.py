"""Keys, their hash and where they live (CONTRACT.md sections 3, 4 and 5)."""

import hashlib
import struct
from dataclasses import dataclass

from errors import Refused
from values import fits_i64

MAX_KEY = 2048


@dataclass(frozen=True)
class Key:
    """A key in normal form: `native` is str, int, float or bytes."""

    native: object
    storage: str
    hash: bytes
    raw: bytes

    @property
    def shard(self) -> int:
        return self.hash[0] >> 4

    @property
    def slot(self) -> int:
        return self.hash[0] >> 2 & 3


def make_key(native: object, hash_key: bytes = b"") -> Key:
    """The normal form of a key, or Refused with InvalidKey or TooLarge. An encrypted stash has a key for hashes."""
    # A Python bool is an int, but no key.
    if isinstance(native, bool):
        raise Refused("InvalidKey", "boolean")
    if isinstance(native, float):
        native = _float(native)
    if isinstance(native, str):
        try:
            raw = native.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Refused("InvalidKey", "text has an unpaired surrogate") from error
        return _key(native, "text", b"", raw, hash_key)
    if isinstance(native, bytes):
        return _key(native, "blob", b"litestash:bytes", native, hash_key)
    if isinstance(native, int):
        if not fits_i64(native):
            raise Refused("InvalidKey", "integer out of range")
        return _key(native, "integer", b"litestash:int", native.to_bytes(8, "big", signed=True), hash_key)
    if isinstance(native, float):
        return _key(native, "real", b"litestash:float", struct.pack(">d", native), hash_key)
    raise Refused("InvalidKey", f"a {type(native).__name__} is no key")


def _float(number: float) -> float | int:
    if number != number:
        raise Refused("InvalidKey", "NaN")
    # Python compares floats and integers exactly, so 2**63 itself stays out.
    if -(2**63) <= number < 2**63 and number.is_integer():
        return int(number)
    return number


def _key(native: object, storage: str, person: bytes, raw: bytes, hash_key: bytes) -> Key:
    if len(raw) > MAX_KEY:
        raise Refused("TooLarge", f"key of {len(raw)} bytes")
    return Key(native, storage, hashlib.blake2b(raw, digest_size=64, key=hash_key, person=person).digest(), raw)
