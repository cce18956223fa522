"""Versions and records: the value column of a row (CONTRACT.md sections 6 and 7)."""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import zstd
from sealing import Crypt, Place
from decode import decode
from errors import Refused

EXPIRES, SLIDING, CODEC, ENCRYPTED = 0x01, 0x02, 0x04, 0x08
RESERVED = 0xF0
ZSTANDARD = 1
MAX_BODY = 64 << 20


@dataclass(frozen=True)
class Record:
    flags: int
    expires_at: int | None
    idle_us: int | None
    body: bytes


def split_version(version: int) -> tuple[int, int]:
    """Whole seconds and the microseconds on top of them. Python's divmod rounds down, as the contract asks."""
    return divmod(version, 1_000_000)


def join_version(timestamp: int, microsecond: int) -> int:
    return timestamp * 1_000_000 + microsecond


def checksum(key_hash: bytes, timestamp: int, microsecond: int, flags: int, rest: bytes) -> int:
    """`rest` is everything after the CRC: optional fields as stored, and the body."""
    return zlib.crc32(key_hash + struct.pack(">qIB", timestamp, microsecond, flags) + rest)


def seal(key_hash: bytes, timestamp: int, microsecond: int, flags: int, rest: bytes) -> bytes:
    """A record with a right CRC around any flags and bytes; whether they make sense is up to the caller."""
    return struct.pack(">BI", flags, checksum(key_hash, timestamp, microsecond, flags, rest)) + rest


def build(
    key_hash: bytes,
    version: int,
    body: bytes,
    expires_at: int | None,
    idle_us: int | None = None,
    crypt: Crypt | None = None,
    draw: Callable[[int], bytes] | None = None,
) -> bytes:
    flags, fields = 0, b""
    if expires_at is not None:
        flags |= EXPIRES
        fields += struct.pack(">q", expires_at)
    if idle_us is not None:
        flags |= SLIDING
        fields += struct.pack(">Q", idle_us)
    time = split_version(version)
    if crypt:
        flags |= ENCRYPTED
        return seal(key_hash, *time, flags, crypt.seal_record(Place.of(key_hash), time, flags, fields, body, draw))
    return seal(key_hash, *time, flags, fields + body)


def parse(
    key_hash: bytes,
    timestamp: int,
    microsecond: int,
    record: bytes,
    crypt: Crypt | None = None,
    place: Place | None = None,
) -> Record:
    """Reads a record, or Refused with Corrupt, UnsupportedFormat or TooLarge. The CRC comes before any other field is
    believed. `place` is where the row was found, if that is not where its hash belongs."""
    if len(record) < 5:
        raise Refused("Corrupt", f"record of {len(record)} bytes")
    if not 0 <= microsecond <= 999_999:
        raise Refused("Corrupt", f"microsecond is {microsecond}")
    flags, crc = struct.unpack_from(">BI", record)
    rest = record[5:]
    if crc != checksum(key_hash, timestamp, microsecond, flags, rest):
        raise Refused("Corrupt", "wrong CRC")
    if flags & RESERVED:
        raise Refused("UnsupportedFormat", f"reserved flags {flags:02x}")
    if flags & SLIDING and not flags & EXPIRES:
        raise Refused("Corrupt", "SLIDING without EXPIRES")
    expires_at = idle_us = None
    if flags & EXPIRES:
        expires_at, rest = _field(">q", rest)
    if flags & SLIDING:
        idle_us, rest = _field(">Q", rest)
        if idle_us == 0:
            raise Refused("Corrupt", "idle_us is 0")
    size = None
    if flags & CODEC:
        codec, size, rest = _codec(rest)
    if flags & ENCRYPTED:
        if len(rest) < 28:
            raise Refused("Corrupt", "record ends inside a field")
        rest = rest[28:]
    if not rest:
        raise Refused("Corrupt", "no body")
    if size is not None and codec != ZSTANDARD:
        raise Refused("UnsupportedFormat", f"codec {codec}")
    if size is not None and size > MAX_BODY:
        raise Refused("TooLarge", f"body of {size} bytes")
    if bool(flags & ENCRYPTED) != bool(crypt):
        raise Refused("Corrupt", "encrypted where the stash is not, or the other way round")
    if crypt:
        fields = record[5 : len(record) - len(rest)]
        rest = crypt.open_record(place or Place.of(key_hash), (timestamp, microsecond), flags, fields, rest)
    if size is not None:
        rest = zstd.decompress(rest, size)
    try:
        decode(rest)
    except Refused as error:
        raise Refused("Corrupt", f"body: {error}") from error
    return Record(flags, expires_at, idle_us, rest)


def _codec(rest: bytes) -> tuple[int, int, bytes]:
    if len(rest) < 5:
        raise Refused("Corrupt", "record ends inside a field")
    return *struct.unpack_from(">BI", rest), rest[5:]


def _field(form: str, rest: bytes) -> tuple[int, bytes]:
    if len(rest) < 8:
        raise Refused("Corrupt", "record ends inside a field")
    return struct.unpack_from(form, rest)[0], rest[8:]
