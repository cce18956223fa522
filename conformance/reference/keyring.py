"""The file `keyring` and the keys derived from it (CONTRACT.md section 15). Raw keys only: no passphrases."""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import xchacha
from decode import decode
from encode import encode
from errors import Refused
from layout import FORMAT

NAME = "keyring"
KEY = 32


class Counter:
    """Random bytes that are none: the n-th draw is zeros that end in n."""

    def __init__(self) -> None:
        self.number = 0

    def draw(self, size: int) -> bytes:
        self.number += 1
        return self.number.to_bytes(8, "big")[-size:].rjust(size, b"\0")


@dataclass
class Keyring:
    stash: bytes
    hash_key: bytes
    epochs: dict[int, bytes]

    @property
    def current(self) -> int:
        return max(self.epochs)


def derive(key: bytes, label: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=KEY, key=key, person=label).digest()


def generate(random: Counter) -> Keyring:
    stash, hash_key, first = random.draw(16), random.draw(KEY), random.draw(KEY)
    return Keyring(stash, hash_key, {1: first})


def to_bytes(keyring: Keyring, secret: bytes, nonce: bytes) -> bytes:
    head = {
        "commitment": derive(secret, b"litestash:commit", keyring.stash),
        "format": FORMAT,
        "kdf": None,
        "nonce": nonce,
        "stash": keyring.stash,
        "wrapped": b"",
    }
    plain = keyring.hash_key + b"".join(struct.pack(">I", number) + key for number, key in sorted(keyring.epochs.items()))
    wrapped = xchacha.encrypt(derive(secret, b"litestash:wrap", keyring.stash), nonce, encode(head), plain)
    map_ = encode(head | {"wrapped": wrapped})
    return map_ + struct.pack(">I", zlib.crc32(map_))


def from_bytes(file: bytes, secret: bytes) -> Keyring:
    if len(file) < 4 or struct.pack(">I", zlib.crc32(file[:-4])) != file[-4:]:
        raise Refused("Corrupt", "keyring: wrong CRC")
    try:
        head = decode(file[:-4])
    except Refused as error:
        raise Refused("Corrupt", f"keyring: {error}") from error
    sizes = {"commitment": KEY, "nonce": xchacha.NONCE, "stash": 16}
    if not isinstance(head, dict) or not isinstance(head.get("format"), int) or head["format"] < 1:
        raise Refused("Corrupt", "keyring: no format")
    if head["format"] > FORMAT:
        raise Refused("UnsupportedFormat", f"keyring of format {head['format']}")
    if set(head) != {"commitment", "format", "kdf", "nonce", "stash", "wrapped"}:
        raise Refused("Corrupt", "keyring: other members")
    if not all(isinstance(head[name], bytes) and len(head[name]) == size for name, size in sizes.items()) or not isinstance(head["wrapped"], bytes):
        raise Refused("Corrupt", "keyring: a member of the wrong type or size")
    if head["kdf"] is not None:
        raise Refused("WrongKey", "opened with a passphrase, of which this implementation knows nothing")
    if head["commitment"] != derive(secret, b"litestash:commit", head["stash"]):
        raise Refused("WrongKey", "another key")
    plain = xchacha.decrypt(derive(secret, b"litestash:wrap", head["stash"]), head["nonce"], encode(head | {"wrapped": b""}), head["wrapped"])
    hash_key, rest = plain[:KEY], plain[KEY:]
    numbers = [struct.unpack_from(">I", rest, at)[0] for at in range(0, len(rest), KEY + 4)] if len(rest) % (KEY + 4) == 0 else []
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] == 0:
        raise Refused("Corrupt", "keyring: malformed keys")
    return Keyring(head["stash"], hash_key, {number: rest[at * 36 + 4 : at * 36 + 36] for at, number in enumerate(numbers)})


def open_or_make(directory: Path, secret: bytes | None, random: Counter, read_only: bool) -> Keyring | None:
    """The keyring of a stash, made if the directory holds none and no shard, not even of a bucket; None without a key and a keyring."""
    path = directory / NAME
    if secret is None:
        if path.exists():
            raise Refused("WrongKey", "the stash is encrypted")
        return None
    if not path.exists():
        if read_only or list(directory.glob("**/shard-?.db")):
            raise Refused("WrongKey", "the stash is not encrypted, or has lost its keyring")
        directory.mkdir(parents=True, exist_ok=True)
        keyring = generate(random)
        path.write_bytes(to_bytes(keyring, secret, random.draw(xchacha.NONCE)))
        return keyring
    return from_bytes(path.read_bytes(), secret)
