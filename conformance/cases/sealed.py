"""sealed.json: rows of encrypted stashes, right, changed and moved."""

import struct

import keyring
import record
from cases.table import Table
from keyring import Counter, Keyring
from keys import make_key
from record import CODEC, ENCRYPTED, EXPIRES
from sealing import Crypt, Place
from zstd import REPEATED, frame

SECRET = bytes(range(32))
TIME = 1_767_323_045_678_901
BODY = bytes.fromhex("82a361676524a46e616d65a3416461")
DEADLINE = 1_767_326_645_678_901


class Row:
    """A row, and where and when it is found."""

    def __init__(self, native: object = "user:1001", bucket: str = "", epochs: int = 1, **record_members: object) -> None:
        random = Counter()
        self.keys = keyring.generate(random)
        for _ in range(1, epochs):
            self.keys.epochs[self.keys.current + 1] = random.draw(32)
        self.file = keyring.to_bytes(self.keys, SECRET, random.draw(24))
        self.secret, self.bucket = SECRET, bucket
        self.crypt = Crypt(self.keys, bucket)
        key = make_key(native, self.crypt.hash_key)
        self.place = Place.of(key.hash)
        self.time = record.split_version(TIME)
        self.column = self.crypt.seal_key(self.place, key.storage, key.raw)
        members = {"expires_at": None} | record_members
        self.record = record.build(key.hash, TIME, BODY, crypt=self.crypt, draw=random.draw, **members)

    def reseal(self, flags: int | None = None, rest: bytes | None = None) -> None:
        """Makes the CRC right for where, when and what the row is now, as whoever can write the file can."""
        flags = self.record[0] if flags is None else flags
        self.record = record.seal(self.place.key_hash, *self.time, flags, self.record[5:] if rest is None else rest)

    def add(self, table: Table, id_: str, comment: str, error: str | None = None) -> None:
        members = {
            "keyring": self.file.hex(),
            "encryption_key": self.secret.hex(),
            "bucket": self.bucket,
            "shard": self.place.shard,
            "slot": self.place.slot,
            "key_hash": self.place.key_hash.hex(),
            "key_column": self.column.hex(),
            "timestamp": self.time[0],
            "microsecond": self.time[1],
            "record": self.record.hex(),
        }
        table.judged(id_, comment, members, error)


def table() -> Table:
    result = Table("sealed", "Rows of encrypted stashes; CONTRACT.md section 15. CRCs are right unless a comment says otherwise.")
    _valid(result)
    _flipped(result)
    _moved(result)
    _keyring(result)
    _rest(result)
    return result


def _valid(table: Table) -> None:
    Row().add(table, "text", "a text key")
    for name, key in (("empty", ""), ("integer", -5), ("float", 1.5), ("bytes", b"\xff\x00"), ("long", "k" * 2048)):
        Row(key).add(table, f"key-{name}", "another key")
    Row(expires_at=DEADLINE).add(table, "deadline", "a deadline")
    Row(expires_at=DEADLINE, idle_us=5).add(table, "window", "a deadline and a window")
    Row(epochs=2).add(table, "second-epoch", "written with the second data key")
    Row(bucket="sessions").add(table, "bucket", "a row of a bucket")


def _flip(raw: bytes, at: int, bit: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def _flipped(table: Table) -> None:
    size = len(Row(expires_at=DEADLINE).record)
    for at in sorted({0, 1, 5, 12, 13, 16, 17, 40, 41, 42, 55, size - 16, size - 1}):
        row = Row(expires_at=DEADLINE)
        row.record = _flip(row.record, at, at % 4)
        row.add(table, f"flip-{at}", "a bit of the record flipped, wrong CRC", "Corrupt")
    for at in sorted({5, 12, 13, 16, 17, 30, 40, 41, 50, 55, size - 16, size - 1}):
        row = Row(expires_at=DEADLINE)
        row.record = _flip(row.record, at, at % 8)
        row.reseal()
        row.add(table, f"forged-{at}", "a bit of the record flipped, right CRC", "Corrupt")
    for at in (0, 3, 4, 5, 13, len(Row().column) - 16, len(Row().column) - 1):
        row = Row()
        row.column = _flip(row.column, at, at % 8)
        row.add(table, f"key-flip-{at}", "a bit of the key column flipped", "Corrupt")


def _moved(table: Table) -> None:
    def moved(id_: str, comment: str, place: Place | None = None, time: int | None = None) -> None:
        row = Row()
        row.place = place or row.place
        row.time = record.split_version(TIME if time is None else time)
        row.reseal()
        row.add(table, f"moved-{id_}", comment, "Corrupt")

    home = Row().place
    moved("row", "to another row of the same table", Place(home.shard, home.slot, Row("user:1002").place.key_hash))
    moved("shard", "to another shard, hash and all", Place((home.shard + 1) % 16, home.slot, home.key_hash))
    moved("slot", "to another table, hash and all", Place(home.shard, (home.slot + 1) % 4, home.key_hash))
    moved("second", "to another second", time=TIME + 1_000_000)
    moved("microsecond", "to another microsecond", time=TIME - 1)
    row = Row()
    row.crypt, row.bucket = None, "sessions"
    row.add(table, "moved-bucket", "into a bucket", "Corrupt")
    row, other = Row(), Keyring(bytes(16), Row().keys.hash_key, Row().keys.epochs)
    row.file = keyring.to_bytes(other, SECRET, bytes(24))
    row.add(table, "moved-stash", "into another stash with the same keys", "Corrupt")
    row = Row()
    row.column = Row("user:1002").column
    row.add(table, "moved-key", "the key of another row", "Corrupt")
    row = Row(expires_at=DEADLINE)
    row.reseal(rest=struct.pack(">q", DEADLINE + 1) + row.record[13:])
    row.add(table, "other-deadline", "another deadline", "Corrupt")
    row = Row(expires_at=DEADLINE)
    row.reseal(ENCRYPTED, row.record[13:])
    row.add(table, "no-deadline", "the deadline left out", "Corrupt")
    row = Row()
    row.reseal(ENCRYPTED | EXPIRES, struct.pack(">q", DEADLINE) + row.record[5:])
    row.add(table, "new-deadline", "a deadline put in", "Corrupt")


def _keyring(table: Table) -> None:
    row = Row()
    row.secret = bytes(32)
    row.add(table, "wrong-key", "another key", "WrongKey")
    size = len(Row().file)
    for at in (0, 14, 30, 60, 100, size - 60, size - 5, size - 4, size - 1):
        row = Row()
        row.file = _flip(row.file, at, 1)
        row.add(table, f"keyring-{at}", "a bit of the keyring flipped", "Corrupt")
    row = Row(epochs=2)
    row.keys.epochs.pop(2)
    row.file = keyring.to_bytes(row.keys, SECRET, bytes(24))
    row.add(table, "no-epoch", "the keyring lacks the row's data key", "Corrupt")
    for size in (0, 3, 4, 50):
        row = Row()
        row.file = row.file[:size]
        row.add(table, f"keyring-cut-{size}", f"only {size} bytes of the keyring are left", "Corrupt")


def _rest(table: Table) -> None:
    row = Row()
    row.reseal(0, BODY)
    row.add(table, "plain-record", "a record that is not encrypted", "Corrupt")
    row = Row()
    row.column = b"user:1001"
    row.add(table, "plain-key", "a key that is not encrypted", "Corrupt")
    for size in (0, 3, 4, 19, 20):
        row = Row()
        row.column = row.column[:size]
        row.add(table, f"key-cut-{size}", f"only {size} bytes of the key column are left", "Corrupt")
    for size in (0, 3, 4, 27, 28, 29, 44):
        row = Row()
        row.reseal(rest=row.record[5 : 5 + size])
        row.add(table, f"cut-{size}", f"only {size} bytes are left behind the header", "Corrupt")
    for name, blocks, stated, error in (
        ("", [(REPEATED, b"\x01", 1)], 1, None),
        ("-lie", [(REPEATED, b"\x01", 2)], 1, "Corrupt"),
        ("-bomb", [(REPEATED, b"a", 100_000)] * 700, 70_000_000, "TooLarge"),
    ):
        row = Row()
        fields = struct.pack(">BI", 1, stated)
        body = frame(blocks, stated)
        row.reseal(ENCRYPTED | CODEC, row.crypt.seal_record(row.place, row.time, ENCRYPTED | CODEC, fields, body, Counter().draw))
        row.add(table, f"compressed{name}", "compressed before it was encrypted", error)
