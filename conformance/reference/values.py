"""How contract values are held in Python.

nil, booleans, integers, floats, text, bytes and arrays are None, bool, int, float, str, bytes and list; a map is a dict
with str keys. The two extension types have a class each. An int is always an integer and a float always a float.
"""

from dataclasses import dataclass

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
UNSIGNED_MAX = 2**64 - 1

MAX_DEPTH = 64
MAX_VALUES = 4_194_304
MAX_BODY = 67_108_864


@dataclass(frozen=True)
class Timestamp:
    """Seconds since 1970-01-01T00:00:00Z, rounded down, and the nanoseconds on top of them."""

    seconds: int
    nanoseconds: int


@dataclass(frozen=True)
class Vector:
    """The payload as stored: little-endian binary32 numbers. Kept raw, because Python has no 32-bit float."""

    payload: bytes


def fits_i64(number: int) -> bool:
    return INTEGER_MIN <= number <= INTEGER_MAX


def vector_problem(payload: bytes) -> str | None:
    """What CONTRACT.md section 8 has against this payload, if anything."""
    if len(payload) % 4:
        return "vector payload is no multiple of 4 bytes"
    for at in range(0, len(payload), 4):
        bits = int.from_bytes(payload[at : at + 4], "little")
        if bits & 0x7F80_0000 == 0x7F80_0000 and bits & 0x007F_FFFF and bits != 0x7FC0_0000:
            return f"vector holds the NaN {bits:08x}"
    return None
