"""XChaCha20-Poly1305 (RFC 8439 and draft-irtf-cfrg-xchacha-03), written for reading. Not for secrets: it takes a time
that depends on them."""

import struct

from errors import Refused

TAG = 16
NONCE = 24
_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
_QUARTERS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15), (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
_MASK = 0xFFFFFFFF


def encrypt(key: bytes, nonce: bytes, data: bytes, plain: bytes) -> bytes:
    """The ciphertext and its tag; `data` is authenticated, not encrypted."""
    subkey, rest = _subkey(key, nonce)
    sealed = _stream(subkey, rest, plain)
    return sealed + _tag(subkey, rest, data, sealed)


def decrypt(key: bytes, nonce: bytes, data: bytes, sealed: bytes) -> bytes:
    """The plaintext, or Refused with Corrupt."""
    if len(sealed) < TAG:
        raise Refused("Corrupt", "shorter than a tag")
    subkey, rest = _subkey(key, nonce)
    body, tag = sealed[:-TAG], sealed[-TAG:]
    if tag != _tag(subkey, rest, data, body):
        raise Refused("Corrupt", "wrong tag")
    return _stream(subkey, rest, body)


def _rounds(state: list[int]) -> list[int]:
    x = list(state)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            x[a] = (x[a] + x[b]) & _MASK
            x[d] = _rotate(x[d] ^ x[a], 16)
            x[c] = (x[c] + x[d]) & _MASK
            x[b] = _rotate(x[b] ^ x[c], 12)
            x[a] = (x[a] + x[b]) & _MASK
            x[d] = _rotate(x[d] ^ x[a], 8)
            x[c] = (x[c] + x[d]) & _MASK
            x[b] = _rotate(x[b] ^ x[c], 7)
    return x


def _rotate(word: int, bits: int) -> int:
    return (word << bits & _MASK) | word >> (32 - bits)


def _block(key: bytes, counter: int, nonce: bytes) -> bytes:
    state = [*_CONSTANTS, *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    return struct.pack("<16I", *((a + b) & _MASK for a, b in zip(_rounds(state), state)))


def _subkey(key: bytes, nonce: bytes) -> tuple[bytes, bytes]:
    """HChaCha20 of the first 16 bytes of the nonce, and the nonce for ChaCha20."""
    x = _rounds([*_CONSTANTS, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce[:16])])
    return struct.pack("<8I", *x[:4], *x[12:]), bytes(4) + nonce[16:]


def _stream(key: bytes, nonce: bytes, text: bytes) -> bytes:
    blocks = (_block(key, 1 + at // 64, nonce) for at in range(0, len(text), 64))
    return bytes(a ^ b for a, b in zip(text, b"".join(blocks)))


def _tag(key: bytes, nonce: bytes, data: bytes, sealed: bytes) -> bytes:
    once = _block(key, 0, nonce)[:32]
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    message = _padded(data) + _padded(sealed) + struct.pack("<QQ", len(data), len(sealed))
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (total + int.from_bytes(once[16:], "little") & 2**128 - 1).to_bytes(16, "little")


def _padded(text: bytes) -> bytes:
    return text + bytes(-len(text) % 16)
