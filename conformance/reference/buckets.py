"""Names of buckets and the stashes behind them (CONTRACT.md section 1)."""

import re
import shutil
from pathlib import Path

from errors import Refused
from sealing import Crypt
from stash import Stash

NAME_BYTES_MAX = 255
PLAIN = re.compile(r"[A-Za-z0-9_-]")


def written(name: str) -> str:
    """The name of a bucket's directory."""
    try:
        raw = name.encode()
    except UnicodeEncodeError as error:
        raise Refused("InvalidArgument", "a bucket's name is no valid Unicode") from error
    encoded = "".join(chr(byte) if PLAIN.fullmatch(chr(byte)) else f"%{byte:02X}" for byte in raw)
    if not 1 <= len(encoded) <= NAME_BYTES_MAX:
        raise Refused("InvalidArgument", f"a bucket's name takes {len(encoded)} bytes")
    return encoded


def read(directory_name: str) -> str | None:
    """The bucket whose directory has that name, or None."""
    if not re.fullmatch(r"(?:[A-Za-z0-9_-]|%[0-9A-F]{2})+", directory_name):
        return None
    raw = re.sub(rb"%(..)", lambda match: bytes.fromhex(match[1].decode()), directory_name.encode())
    try:
        name = raw.decode()
        return name if written(name) == directory_name else None
    except (UnicodeDecodeError, Refused):
        return None


class Family:
    """A stash with its buckets, which have its clock."""

    def __init__(self, directory: Path, clock: int, **options: object) -> None:
        self.directory = directory
        self.root = Stash(directory, clock, **options)
        self.open: dict[str, Stash] = {}

    @property
    def clock(self) -> int:
        return self.root.clock

    def within(self, name: str) -> Stash:
        """The stash of that bucket, with the time that it is now."""
        path = self.directory / "buckets" / written(name)
        if name not in self.open:
            root, crypt = self.root, self.root.crypt and Crypt(self.root.crypt.keyring, name)
            self.open[name] = Stash(path, self.clock, random=root.random, default_ttl_us=root.default_ttl_us, crypt=crypt)
        bucket = self.open[name]
        bucket.clock = self.clock
        return bucket

    def names(self) -> list[str]:
        folder = self.directory / "buckets"
        found = [read(path.name) for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        return sorted((name for name in found if name is not None), key=str.encode)

    def rotate_key(self) -> int:
        """Buckets have the key of their stash."""
        return self.root.rotate_key([self.within(name) for name in self.names()])

    def drop(self, name: str) -> bool:
        """Nobody else is there, so the directory is simply removed."""
        path = self.directory / "buckets" / written(name)
        if name in self.open:
            self.open.pop(name).close()
        if not path.is_dir():
            return False
        shutil.rmtree(path)
        return True

    def close(self) -> None:
        for stash in [self.root, *self.open.values()]:
            stash.close()
