"""Canonical MessagePack, reading side (CONTRACT.md section 8): accepts exactly what encode.py writes.

Nothing is allocated on the word of a length or count: both are compared with the bytes that are left first.
"""

import struct

from errors import Refused
from values import MAX_BODY, MAX_DEPTH, MAX_VALUES, Timestamp, Vector, vector_problem


def decode(body: bytes, depth: int = 0) -> object:
    """The value of a body, or Refused with InvalidValue or TooLarge. `depth` is the number of containers around it,
    negative for a message that may hold whole values that deep within."""
    if len(body) > MAX_BODY:
        raise Refused("TooLarge", f"body of {len(body)} bytes")
    decoder = _Decoder(body)
    value = decoder.value(depth)
    if decoder.at != len(body):
        raise _invalid("bytes after the value")
    return value


def _invalid(detail: str) -> Refused:
    return Refused("InvalidValue", detail)


class _Decoder:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0
        self.values = 1

    def left(self) -> int:
        return len(self.body) - self.at

    def take(self, size: int) -> bytes:
        if size > self.left():
            raise _invalid("runs past the end")
        self.at += size
        return self.body[self.at - size : self.at]

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=signed)

    def value(self, depth: int) -> object:
        """`depth` is the number of containers around the value."""
        first = self.number(1)
        if first <= 0x7F:
            return first
        if first <= 0x8F:
            return self.map(first - 0x80, depth)
        if first <= 0x9F:
            return self.array(first - 0x90, depth)
        if first <= 0xBF:
            return self.utf8(first - 0xA0)
        if first >= 0xE0:
            return first - 0x100
        if first in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[first]
        if first in (0xC4, 0xC5, 0xC6):
            return self.take(self.length(first - 0xC4, -1))
        if first in (0xC7, 0xC8, 0xC9):
            return self.extension(self.length(first - 0xC7, -1), False)
        if first == 0xCB:
            return self.float64()
        if 0xCC <= first <= 0xCF:
            return self.unsigned(first - 0xCC)
        if 0xD0 <= first <= 0xD3:
            return self.signed(first - 0xD0)
        if 0xD4 <= first <= 0xD8:
            return self.extension(1 << (first - 0xD4), True)
        if 0xD9 <= first <= 0xDB:
            return self.utf8(self.length(first - 0xD9, 31))
        if first in (0xDC, 0xDD):
            return self.array(self.length(first - 0xDC + 1, 15), depth)
        if first in (0xDE, 0xDF):
            return self.map(self.length(first - 0xDE + 1, 15), depth)
        raise _invalid(f"first byte {first:02x}")

    def length(self, width: int, in_first_byte: int) -> int:
        """A length of 1, 2 or 4 bytes (`width` 0, 1, 2). `in_first_byte` is the greatest one that needs no length bytes."""
        length = self.number(1 << width)
        one_byte_exists = in_first_byte != 15
        if width == 0 or (width == 1 and not one_byte_exists):
            shorter = in_first_byte
        else:
            shorter = 0xFF if width == 1 else 0xFFFF
        if length <= shorter:
            raise _invalid(f"length {length} has a shorter form")
        return length

    def unsigned(self, width: int) -> int:
        number = self.number(1 << width)
        if number <= (0x7F, 0xFF, 0xFFFF, 0xFFFF_FFFF)[width]:
            raise _invalid(f"integer {number} has a shorter form")
        return number

    def signed(self, width: int) -> int:
        number = self.number(1 << width, signed=True)
        if number >= (-32, -(2**7), -(2**15), -(2**31))[width]:
            raise _invalid(f"integer {number} has another form")
        return number

    def float64(self) -> float:
        raw = self.take(8)
        number = struct.unpack(">d", raw)[0]
        if number != number and raw != b"\x7f\xf8\0\0\0\0\0\0":
            raise _invalid(f"NaN {raw.hex()}")
        return number

    def utf8(self, length: int) -> str:
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _invalid("text is not UTF-8") from error

    def enter(self, count: int, least_size: int, depth: int) -> None:
        """Count first, then depth, then number of values: a count that cannot be true says nothing about a limit."""
        if count * least_size > self.left():
            raise _invalid(f"count {count} runs past the end")
        if depth >= MAX_DEPTH:
            raise Refused("TooLarge", f"depth over {MAX_DEPTH}")
        self.values += count
        if self.values > MAX_VALUES:
            raise Refused("TooLarge", "too many values")

    def array(self, count: int, depth: int) -> list:
        self.enter(count, 1, depth)
        return [self.value(depth + 1) for _ in range(count)]

    def map(self, count: int, depth: int) -> dict:
        self.enter(count, 2, depth)
        result = {}
        previous = None
        for _ in range(count):
            key = self.map_key()
            raw = key.encode("utf-8")
            if previous is not None and raw <= previous:
                raise _invalid("map keys out of order")
            previous = raw
            result[key] = self.value(depth + 1)
        return result

    def map_key(self) -> str:
        first = self.number(1)
        if 0xA0 <= first <= 0xBF:
            return self.utf8(first - 0xA0)
        if 0xD9 <= first <= 0xDB:
            return self.utf8(self.length(first - 0xD9, 31))
        raise _invalid("map key is not text")

    def extension(self, length: int, fixed: bool) -> object:
        kind = self.number(1, signed=True)
        payload = self.take(length)
        if kind == 1:
            if not fixed and length in (4, 8, 16):
                raise _invalid("vector has a shorter head")
            problem = vector_problem(payload)
            if problem:
                raise _invalid(problem)
            return Vector(payload)
        if kind == -1:
            return _timestamp(payload, fixed)
        raise _invalid(f"extension type {kind}")


def _timestamp(payload: bytes, fixed: bool) -> Timestamp:
    if fixed and len(payload) == 4:
        return Timestamp(int.from_bytes(payload, "big"), 0)
    if fixed and len(payload) == 8:
        both = int.from_bytes(payload, "big")
        seconds, nanoseconds = both & (2**34 - 1), both >> 34
        shortest = nanoseconds != 0 or seconds >= 2**32
    elif not fixed and len(payload) == 12:
        nanoseconds, seconds = struct.unpack(">Iq", payload)
        shortest = not 0 <= seconds < 2**34
    else:
        raise _invalid("no form of a timestamp")
    if nanoseconds > 999_999_999:
        raise _invalid(f"{nanoseconds} nanoseconds")
    if not shortest:
        raise _invalid("timestamp has a shorter form")
    return Timestamp(seconds, nanoseconds)
