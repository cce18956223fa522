"""Canonical MessagePack, writing side (CONTRACT.md section 8)."""

import math
import struct

from errors import Refused
from values import INTEGER_MIN, MAX_BODY, MAX_DEPTH, MAX_VALUES, UNSIGNED_MAX, Timestamp, Vector, fits_i64, vector_problem

CANONICAL_NAN = bytes.fromhex("cb7ff8000000000000")


def encode(value: object) -> bytes:
    """The one legal encoding of a value, or Refused with InvalidValue or TooLarge."""
    encoder = _Encoder()
    encoder.write(value, 0)
    if len(encoder.out) > MAX_BODY:
        raise Refused("TooLarge", f"body of {len(encoder.out)} bytes")
    return bytes(encoder.out)


class _Encoder:
    def __init__(self) -> None:
        self.out = bytearray()
        self.values = 0

    def write(self, value: object, depth: int) -> None:
        """`depth` is the number of containers around the value."""
        self.values += 1
        if self.values > MAX_VALUES:
            raise Refused("TooLarge", "too many values")
        if value is None:
            self.out.append(0xC0)
        elif isinstance(value, bool):
            self.out.append(0xC3 if value else 0xC2)
        elif isinstance(value, int):
            self.out += _integer(value)
        elif isinstance(value, float):
            self.out += CANONICAL_NAN if math.isnan(value) else b"\xcb" + struct.pack(">d", value)
        elif isinstance(value, str):
            self.out += _text(value)
        elif isinstance(value, bytes):
            self.out += _head(len(value), None, 0xC4, 0xC5, 0xC6) + value
        elif isinstance(value, list):
            self._container(depth)
            self.out += _head(len(value), (0x90, 15), None, 0xDC, 0xDD)
            for element in value:
                self.write(element, depth + 1)
        elif isinstance(value, dict):
            self._container(depth)
            self._map(value, depth)
        elif isinstance(value, Timestamp):
            self.out += _timestamp(value)
        elif isinstance(value, Vector):
            self.out += _vector(value)
        else:
            raise Refused("InvalidValue", f"no contract type for {type(value).__name__}")

    def _container(self, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise Refused("TooLarge", f"depth over {MAX_DEPTH}")

    def _map(self, value: dict, depth: int) -> None:
        self.out += _head(len(value), (0x80, 15), None, 0xDE, 0xDF)
        entries = []
        for key, content in value.items():
            if not isinstance(key, str):
                raise Refused("InvalidValue", "map key is not text")
            entries.append((_utf8(key), content))
        for raw, content in sorted(entries, key=lambda entry: entry[0]):
            self.out += _text_head(len(raw)) + raw
            self.write(content, depth + 1)


def _head(count: int, fix: tuple[int, int] | None, one: int | None, two: int, four: int) -> bytes:
    """The shortest head: in the first byte if `fix` (base, greatest count) allows, else with 1, 2 or 4 bytes."""
    if fix and count <= fix[1]:
        return bytes([fix[0] + count])
    if one is not None and count <= 0xFF:
        return bytes([one, count])
    if count <= 0xFFFF:
        return struct.pack(">BH", two, count)
    if count <= 0xFFFF_FFFF:
        return struct.pack(">BI", four, count)
    raise Refused("TooLarge", f"length {count}")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refused("InvalidValue", "text has an unpaired surrogate") from error


def _text_head(length: int) -> bytes:
    return _head(length, (0xA0, 31), 0xD9, 0xDA, 0xDB)


def _text(text: str) -> bytes:
    raw = _utf8(text)
    return _text_head(len(raw)) + raw


def _integer(number: int) -> bytes:
    if not INTEGER_MIN <= number <= UNSIGNED_MAX:
        raise Refused("InvalidValue", "integer out of range")
    if number >= 0:
        if number <= 0x7F:
            return bytes([number])
        for first, size in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
            if number < 1 << (8 * size):
                return bytes([first]) + number.to_bytes(size, "big")
    if number >= -32:
        return number.to_bytes(1, "big", signed=True)
    for first, size in ((0xD0, 1), (0xD1, 2), (0xD2, 4)):
        if number >= -(1 << (8 * size - 1)):
            return bytes([first]) + number.to_bytes(size, "big", signed=True)
    return b"\xd3" + number.to_bytes(8, "big", signed=True)


def _timestamp(value: Timestamp) -> bytes:
    seconds, nanoseconds = value.seconds, value.nanoseconds
    if not fits_i64(seconds) or not 0 <= nanoseconds <= 999_999_999:
        raise Refused("InvalidValue", "timestamp out of range")
    if nanoseconds == 0 and 0 <= seconds < 2**32:
        return b"\xd6\xff" + struct.pack(">I", seconds)
    if 0 <= seconds < 2**34:
        return b"\xd7\xff" + struct.pack(">Q", nanoseconds << 34 | seconds)
    return b"\xc7\x0c\xff" + struct.pack(">Iq", nanoseconds, seconds)


def _vector(value: Vector) -> bytes:
    problem = vector_problem(value.payload)
    if problem:
        raise Refused("InvalidValue", problem)
    fixed = {4: b"\xd6", 8: b"\xd7", 16: b"\xd8"}.get(len(value.payload))
    head = fixed or _head(len(value.payload), None, 0xC7, 0xC8, 0xC9)
    return head + b"\x01" + value.payload
