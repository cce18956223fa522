"""Zstandard frames (RFC 8878) of raw and repeated blocks: what vectors are made of. Compressed blocks are beyond this
reference; stashes that have them are read by the engine's languages."""

import struct

from errors import Refused

MAGIC = b"\x28\xb5\x2f\xfd"
RAW, REPEATED = 0, 1


def frame(blocks: list[tuple[int, bytes, int]], size: int) -> bytes:
    """A frame that states its content size. A block is its type, its bytes and the length it stands for."""
    out = MAGIC + b"\xa0" + struct.pack("<I", size)
    for at, (kind, raw, length) in enumerate(blocks):
        out += struct.pack("<I", (at == len(blocks) - 1) | kind << 1 | length << 3)[:3] + raw
    return out


def decompress(raw: bytes, size: int) -> bytes:
    """Exactly one frame of that content size, or Refused. Never makes more than `size` bytes."""
    if raw[:4] != MAGIC or len(raw) < 9 or raw[4] != 0xA0:
        raise Refused("Corrupt", "no frame with a content size of four bytes")
    if struct.unpack_from("<I", raw, 5)[0] != size:
        raise Refused("Corrupt", "another content size")
    out, at, last = b"", 9, False
    while not last:
        if len(raw) < at + 3:
            raise Refused("Corrupt", "frame cut short")
        head = int.from_bytes(raw[at : at + 3], "little")
        last, kind, length = head & 1, head >> 1 & 3, head >> 3
        at += 3
        if kind not in (RAW, REPEATED):
            raise Refused("UnsupportedFormat", "compressed blocks are beyond this reference")
        stored = length if kind == RAW else 1
        if len(out) + length > size or len(raw) < at + stored:
            raise Refused("Corrupt", "block too long")
        out += raw[at : at + stored] * (1 if kind == RAW else length)
        at += stored
    if at != len(raw) or len(out) != size:
        raise Refused("Corrupt", "another length")
    return out
