"""records.json: records of the value column, right and wrong."""

import hashlib
import struct
import zlib

import record
from cases.table import Table
from record import CODEC, ENCRYPTED, EXPIRES, SLIDING
from zstd import RAW, REPEATED, frame

HASH = hashlib.blake2b(b"user:1001").digest()
TIME = (1_767_323_045, 678_901)
BODY = bytes.fromhex("82a361676524a46e616d65a3416461")
DEADLINE = 1_767_326_645_678_901


def table() -> Table:
    result = Table("records", "Records; CONTRACT.md section 7. The CRC is right unless a comment says otherwise.")
    _valid(result)
    _flipped(result)
    _short(result)
    _flags(result)
    _codecs(result)
    _fields(result)
    _bodies(result)
    return result


def _add(table: Table, id_: str, comment: str, raw: bytes, error: str | None = None, key_hash: bytes = HASH, time: tuple = TIME) -> None:
    members = {"key_hash": key_hash.hex(), "timestamp": time[0], "microsecond": time[1], "record": raw.hex()}
    table.judged(id_, comment, members, error)


def _sealed(flags: int, rest: bytes, key_hash: bytes = HASH, time: tuple = TIME) -> bytes:
    return record.seal(key_hash, *time, flags, rest)


def _i64(number: int) -> bytes:
    return struct.pack(">q", number)


def _u64(number: int) -> bytes:
    return struct.pack(">Q", number)


def _valid(table: Table) -> None:
    _add(table, "contract", "CONTRACT.md section 12", bytes.fromhex("00eda2ff46") + BODY)
    _add(table, "contract-expires", "CONTRACT.md section 12, with a deadline", bytes.fromhex("01233f8d1b0006475fcceaf335") + BODY)
    _add(table, "nil", "body of one byte", _sealed(0, b"\xc0"))
    _add(table, "empty-text", "the empty text", _sealed(0, b"\xa0"))
    for name, deadline in (("zero", 0), ("one", 1), ("minus-one", -1), ("greatest", 2**63 - 1), ("least", -(2**63))):
        _add(table, f"expires-{name}", "deadline is signed", _sealed(EXPIRES, _i64(deadline) + b"\x01"))
    for idle in (1, 60_000_000, 2**63, 2**64 - 1):
        _add(table, f"sliding-{idle}", "window is unsigned", _sealed(EXPIRES | SLIDING, _i64(DEADLINE) + _u64(idle) + BODY))
    times = {"epoch": (0, 0), "before": (-1, 999_999), "far": (9_223_372_036_854, 775_807), "past": (-9_223_372_036_855, 224_192), "micro": (0, 999_999)}
    for name, time in times.items():
        _add(table, f"time-{name}", "the CRC covers the version", _sealed(0, BODY, time=time), time=time)
    for name, raw in (("zero", b"\0" * 64), ("ones", b"\xff" * 64)):
        _add(table, f"hash-{name}", "the CRC covers the key's hash", _sealed(0, BODY, key_hash=raw), key_hash=raw)
    _add(table, "long", "a body of 300 bytes", _sealed(0, b"\xc5\x01\x29" + b"\x7e" * 297))
    _add(table, "body-like-field", "no flag, body of nine bytes: nothing is a field", _sealed(0, b"\xcf" + b"\xff" * 8))


def _flipped(table: Table) -> None:
    """One bit is wrong; whatever it would mean, the CRC is checked first."""
    base = _sealed(EXPIRES | SLIDING, _i64(DEADLINE) + _u64(5_000_000) + BODY)
    for bit in range(8):
        _add(table, f"flip-flags-{bit}", f"flag bit {bit} flipped, wrong CRC", _flip(base, 0, bit), "Corrupt")
    for at in range(1, 5):
        _add(table, f"flip-crc-{at}", "a bit of the CRC flipped", _flip(base, at, at), "Corrupt")
    for at in range(5, 13):
        _add(table, f"flip-deadline-{at}", "a bit of the deadline flipped, wrong CRC", _flip(base, at, at % 8), "Corrupt")
    for at in range(13, 21):
        _add(table, f"flip-idle-{at}", "a bit of the window flipped, wrong CRC", _flip(base, at, at % 8), "Corrupt")
    for at in (21, 22, 25, len(base) - 1):
        _add(table, f"flip-body-{at}", "a bit of the body flipped, wrong CRC", _flip(base, at, 0), "Corrupt")
    _add(table, "flip-hash-first", "a bit of the key's hash flipped", base, "Corrupt", key_hash=_flip(HASH, 0, 0))
    _add(table, "flip-hash-last", "a bit of the key's hash flipped", base, "Corrupt", key_hash=_flip(HASH, 63, 7))
    _add(table, "other-second", "moved to another second", base, "Corrupt", time=(TIME[0] + 1, TIME[1]))
    _add(table, "other-microsecond", "moved to another microsecond", base, "Corrupt", time=(TIME[0], TIME[1] + 1))
    _add(table, "other-carry", "the same version, split in another way", base, "Corrupt", time=(TIME[0] - 1, TIME[1] + 1_000_000))
    _add(table, "crc-little-endian", "CRC in the other byte order", bytes.fromhex("0046ffa2ed") + BODY, "Corrupt")
    _add(table, "crc-zero", "CRC left out as zero", bytes(5) + BODY, "Corrupt")
    _add(table, "crc-body-only", "CRC of the body alone", b"\0" + struct.pack(">I", zlib.crc32(BODY)) + BODY, "Corrupt")
    _add(table, "crc-reserved", "reserved flag and wrong CRC: the CRC comes first", b"\x80" + bytes.fromhex("eda2ff46") + BODY, "Corrupt")


def _flip(raw: bytes, at: int, bit: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def _short(table: Table) -> None:
    base = _sealed(EXPIRES, _i64(DEADLINE) + BODY)
    for size in (0, 1, 4, 5, 6, 12, 13, 14, len(base) - 1):
        _add(table, f"cut-{size}", f"only {size} bytes are left", base[:size], "Corrupt")
    _add(table, "longer", "a byte was added, wrong CRC", base + b"\0", "Corrupt")
    _add(table, "empty-body", "no body, right CRC", _sealed(0, b""), "Corrupt")
    _add(table, "expires-no-field", "EXPIRES, nothing follows", _sealed(EXPIRES, b""), "Corrupt")
    _add(table, "expires-half-field", "EXPIRES, seven bytes follow", _sealed(EXPIRES, b"\0" * 7), "Corrupt")
    _add(table, "expires-empty-body", "EXPIRES, no body", _sealed(EXPIRES, _i64(DEADLINE)), "Corrupt")
    _add(table, "sliding-half-field", "SLIDING, seven bytes follow the deadline", _sealed(EXPIRES | SLIDING, _i64(DEADLINE) + b"\1" * 7), "Corrupt")
    _add(table, "sliding-empty-body", "SLIDING, no body", _sealed(EXPIRES | SLIDING, _i64(DEADLINE) + _u64(1)), "Corrupt")


def _flags(table: Table) -> None:
    for flag in (0x10, 0x20, 0x40, 0x80, 0xF0, 0xFF):
        _add(table, f"reserved-{flag:02x}", "reserved flag: a newer format", _sealed(flag, BODY), "UnsupportedFormat")
    _add(table, "reserved-expires", "reserved flag beside EXPIRES", _sealed(0x11, _i64(DEADLINE) + BODY), "UnsupportedFormat")
    _add(table, "reserved-empty", "reserved flag, nothing follows", _sealed(0x10, b""), "UnsupportedFormat")
    sealed = struct.pack(">I", 1) + bytes(24) + BODY + bytes(16)
    _add(table, "encrypted", "ENCRYPTED, where the stash is not", _sealed(ENCRYPTED, sealed), "Corrupt")
    _add(table, "encrypted-cut", "ENCRYPTED, the field is cut short", _sealed(ENCRYPTED, sealed[:27]), "Corrupt")
    _add(table, "encrypted-empty", "ENCRYPTED, no body", _sealed(ENCRYPTED, sealed[:28]), "Corrupt")


def _codecs(table: Table) -> None:
    def codec(size: int, body: bytes, id_: int = 1) -> bytes:
        return struct.pack(">BI", id_, size) + body

    raw = frame([(RAW, BODY, len(BODY))], len(BODY))
    _add(table, "codec", "CODEC, a frame of one raw block", _sealed(CODEC, codec(len(BODY), raw)))
    _add(table, "codec-expires", "CODEC and EXPIRES", _sealed(CODEC | EXPIRES, _i64(DEADLINE) + codec(len(BODY), raw)))
    long = [(RAW, b"\xdb" + struct.pack(">I", 200_000), 5), (REPEATED, b"a", 100_000), (REPEATED, b"a", 100_000)]
    _add(table, "codec-repeated", "a body much longer than its frame", _sealed(CODEC, codec(200_005, frame(long, 200_005))))
    wrong = [
        ("longer", "the field states more than the frame", len(BODY) + 1, raw),
        ("shorter", "the field states less than the frame", len(BODY) - 1, raw),
        ("zero", "the field states nothing", 0, raw),
        ("lie", "field and frame state less than the blocks hold", 100, frame(long, 100)),
        ("lie-more", "field and frame state more than the blocks hold", 300_000, frame(long, 300_000)),
        ("no-frame", "the body as it is, without a frame", len(BODY), BODY),
        ("cut", "a frame cut short", len(BODY), raw[:-1]),
        ("trailing", "a byte after the frame", len(BODY), raw + b"\0"),
        ("two-frames", "two frames", 2 * len(BODY), raw + raw),
        ("skippable", "a skippable frame before it", len(BODY), b"\x50\x2a\x4d\x18" + bytes(4) + raw),
        ("body", "a body that is not canonical", 2, frame([(RAW, b"\xcc\x01", 2)], 2)),
    ]
    for id_, comment, size, body in wrong:
        _add(table, f"codec-{id_}", comment, _sealed(CODEC, codec(size, body)), "Corrupt")
    bomb = frame([(REPEATED, b"a", 100_000)] * 700, 70_000_000)
    _add(table, "codec-bomb", "over the limit of a body", _sealed(CODEC, codec(70_000_000, bomb)), "TooLarge")
    _add(table, "codec-bomb-greatest", "far over the limit", _sealed(CODEC, codec(2**32 - 1, bomb[:50])), "TooLarge")
    _add(table, "codec-unknown", "another codec", _sealed(CODEC, codec(len(BODY), raw, 2)), "UnsupportedFormat")
    _add(table, "codec-no-field", "CODEC, nothing follows", _sealed(CODEC, b""), "Corrupt")
    _add(table, "codec-half-field", "CODEC, four bytes follow", _sealed(CODEC, b"\x01\0\0\0"), "Corrupt")
    _add(table, "codec-empty-body", "CODEC, no body", _sealed(CODEC, codec(1, b"")), "Corrupt")


def _fields(table: Table) -> None:
    _add(table, "sliding-alone", "SLIDING without EXPIRES", _sealed(SLIDING, _u64(5) + BODY), "Corrupt")
    _add(table, "sliding-alone-deadline", "SLIDING without EXPIRES, with two fields", _sealed(SLIDING, _i64(DEADLINE) + _u64(5) + BODY), "Corrupt")
    _add(table, "idle-zero", "a window of nothing", _sealed(EXPIRES | SLIDING, _i64(DEADLINE) + _u64(0) + BODY), "Corrupt")


def _bodies(table: Table) -> None:
    bodies = [
        ("nonminimal", "integer in a wider form", "cc01"),
        ("float32", "binary32", "ca3f800000"),
        ("c1", "a byte that begins no value", "c1"),
        ("trailing", "a byte after the value", "c000"),
        ("cut", "text cut short", "a36162"),
        ("order", "map keys out of order", "82a16201a16102"),
        ("utf8", "text that is not UTF-8", "a1ff"),
        ("nan", "another NaN", "cbfff8000000000000"),
        ("extension", "unknown extension", "d40500"),
        ("depth", "too deep: also a refusal of the body", "91" * 64 + "90"),
    ]
    for name, comment, body in bodies:
        _add(table, f"body-{name}", comment, _sealed(0, bytes.fromhex(body)), "Corrupt")
    _add(table, "body-expires", "wrong body behind a field", _sealed(EXPIRES, _i64(DEADLINE) + b"\xc1"), "Corrupt")
