"""A small stash with a fixed clock: the rows that the operations of PROTOCOL.md leave, and nothing else.

Methods take native keys and values, raise Refused, and check all their arguments before anything is written.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keyring
import record
import xchacha
from sealing import Crypt, Place
from decode import decode
from encode import encode
from errors import Refused
from keyring import Counter
from keys import Key, make_key
from layout import SHARDS, SLOTS
from shard import Shard
from values import fits_i64

ABSENT = object()
EXACT_FLOAT = 2**53


@dataclass(frozen=True)
class Entry:
    """A stored row that was read and checked."""

    body: bytes
    version: int
    expires_at: int | None
    idle_us: int | None = None


class Stash:
    def __init__(
        self,
        directory: Path,
        clock: int,
        read_only: bool = False,
        secret: bytes | None = None,
        random: Counter | None = None,
    ) -> None:
        self.directory, self.clock, self.secret = directory, clock, secret
        self.random = random or Counter()
        keys = keyring.open_or_make(directory, secret, self.random, read_only)
        self.crypt = Crypt(keys) if keys else None
        stash = keys.stash if keys else None
        self.shards = [Shard(directory, number, read_only, stash) for number in range(SHARDS)]

    def key(self, native: object) -> Key:
        """A key with the hash that it has in this stash."""
        return make_key(native, self.crypt.hash_key if self.crypt else b"")

    def close(self) -> None:
        for shard in self.shards:
            shard.close()

    # One transaction around what one operation does in one shard.
    def _within(self, shard: Shard, work: Callable[[], object]) -> object:
        shard.begin()
        try:
            result = work()
        except BaseException:
            shard.end(keep=False)
            raise
        shard.end(keep=True)
        return result

    def single(self, key: object, work: Callable[[Key], object]) -> object:
        """Runs the work of a single-key operation in a transaction of its own."""
        made = self.key(key)
        return self._within(self.shards[made.shard], lambda: work(made))

    def batch(self, jobs: list[tuple[Key, Callable[[Key], object]]]) -> list:
        """Runs jobs shard after shard, in given order within a shard. A refused job's result is its Refused."""
        results: list = [None] * len(jobs)

        def run_shard(number: int) -> None:
            for at, (key, work) in enumerate(jobs):
                if key.shard == number:
                    try:
                        results[at] = work(key)
                    except Refused as error:
                        results[at] = error

        for number in sorted({key.shard for key, _ in jobs}):
            self._within(self.shards[number], lambda number=number: run_shard(number))
        return results

    # Rows.
    def _stored(self, key: Key) -> Entry | None:
        """The row of a key, expired or not."""
        row = self.shards[key.shard].row(key.slot, key.hash)
        return self._read_row(Place.of(key.hash), *row) if row else None

    def _live(self, key: Key) -> Entry | None:
        entry = self._stored(key)
        return entry if entry and not self._expired(entry) else None

    def _expired(self, entry: Entry) -> bool:
        return entry.expires_at is not None and self.clock >= entry.expires_at

    def _write(self, key: Key, body: bytes, expires_at: int | None) -> int:
        old = self._stored(key)
        version = max(self.clock, old.version + 1) if old else self.clock
        sealed = record.build(key.hash, version, body, expires_at, crypt=self.crypt, draw=self.random.draw)
        row = (key.hash, self._column(key), sealed, *record.split_version(version))
        self.shards[key.shard].put(key.slot, row, expires_at)
        return version

    def _column(self, key: Key) -> object:
        return self.crypt.seal_key(Place.of(key.hash), key.storage, key.raw) if self.crypt else key.native

    def _read_row(self, place: Place, value: bytes, timestamp: int, microsecond: int) -> Entry:
        parsed = record.parse(place.key_hash, timestamp, microsecond, value, self.crypt, place)
        return Entry(parsed.body, record.join_version(timestamp, microsecond), parsed.expires_at, parsed.idle_us)

    def _remove(self, key: Key) -> Entry | None:
        """Removes the row if there is one, also an expired one; returns it only if it was not expired."""
        stored = self._stored(key)
        if stored:
            self.shards[key.shard].remove(key.slot, key.hash)
        return stored if stored and not self._expired(stored) else None

    def deadline(self, ttl_us: int | None, expires_at: int | None) -> int | None:
        if ttl_us is not None and expires_at is not None:
            raise Refused("InvalidArgument", "ttl_us and expires_at")
        if ttl_us is not None:
            if ttl_us <= 0:
                raise Refused("InvalidArgument", "ttl_us is not positive")
            expires_at = self.clock + ttl_us
        if expires_at is not None and not fits_i64(expires_at):
            raise Refused("InvalidArgument", "deadline out of range")
        return expires_at

    # Single-key operations: each returns the work for `single` and `batch`, after checking its arguments.
    def get(self) -> Callable[[Key], Entry | None]:
        return self._live

    def take(self) -> Callable[[Key], Entry | None]:
        return self._remove

    def delete(self) -> Callable[[Key], bool]:
        return lambda key: self._remove(key) is not None

    def exists(self) -> Callable[[Key], bool]:
        return lambda key: self._live(key) is not None

    def set(
        self,
        value: object,
        condition: Callable[[Entry | None], bool] = lambda live: True,
        expires_at: int | None = None,
        keep_ttl: bool = False,
    ) -> Callable[[Key], int | None]:
        """The new version, or None if the condition, asked about the unexpired row, says no."""
        body = encode(value)
        if keep_ttl and expires_at is not None:
            raise Refused("InvalidArgument", "keep_ttl and a deadline")

        def work(key: Key) -> int | None:
            live = self._live(key)
            if not condition(live):
                return None
            kept = live.expires_at if keep_ttl and live else None
            return self._write(key, body, kept if keep_ttl else expires_at)

        return work

    def compare_and_set(self, expected: object, value: object) -> Callable[[Key], bool]:
        wanted = None if expected is ABSENT else encode(expected)
        store = self.set(value, lambda live: (live.body if live else None) == wanted)
        return lambda key: store(key) is not None

    def increment(self, by: int) -> Callable[[Key], int]:
        if not fits_i64(by):
            raise Refused("InvalidArgument", "by is out of range")

        def add(old: object) -> int:
            if isinstance(old, bool) or not isinstance(old, int):
                raise Refused("TypeMismatch", "no integer")
            if not fits_i64(old) or not fits_i64(old + by):
                raise Refused("Overflow", "integer")
            return old + by

        return lambda key: self._change(key, 0, add)

    def increment_float(self, by: float) -> Callable[[Key], float]:
        if not math.isfinite(by):
            raise Refused("InvalidArgument", "by is not finite")

        def add(old: object) -> float:
            if isinstance(old, bool) or not isinstance(old, (int, float)):
                raise Refused("TypeMismatch", "no number")
            if isinstance(old, int) and abs(old) > EXACT_FLOAT:
                raise Refused("Overflow", "integer has no exact float")
            result = float(old) + by
            if not math.isfinite(result):
                raise Refused("Overflow", "float")
            return result

        return lambda key: self._change(key, 0.0, add)

    def _change(self, key: Key, start: object, change: Callable[[object], object]) -> object:
        live = self._live(key)
        result = change(decode(live.body) if live else start)
        self._write(key, encode(result), live.expires_at if live else None)
        return result

    def expire(self, expires_at: int | None) -> Callable[[Key], bool]:
        if expires_at is None:
            raise Refused("InvalidArgument", "no deadline")
        return lambda key: self._redate(key, expires_at)

    def persist(self) -> Callable[[Key], bool]:
        return lambda key: self._redate(key, None)

    def _redate(self, key: Key, expires_at: int | None) -> bool:
        live = self._live(key)
        if not live or (expires_at is None and live.expires_at is None):
            return False
        self._write(key, live.body, expires_at)
        return True

    # Operations on all rows.
    def items(self, prefix: str | None = None, limit: int | None = None) -> list[tuple[object, Entry]]:
        matching = (
            (key, entry)
            for key, entry in self._all_rows()
            if not self._expired(entry) and (prefix is None or (isinstance(key, str) and key.startswith(prefix)))
        )
        return [pair for pair, _ in zip(matching, range(limit))] if limit is not None else list(matching)

    def _all_rows(self) -> Iterator[tuple[object, Entry]]:
        for shard in self.shards:
            for slot in range(SLOTS):
                for key_hash, key, *row in shard.rows(slot):
                    place = Place(shard.number, slot, key_hash)
                    if self.crypt:
                        key = self.crypt.open_key(place, key)
                    # The CRC covers the hash, not the key: only the hash tells whether the key is whole.
                    if self.key(key).hash != key_hash:
                        raise Refused("Corrupt", f"the key of {key_hash.hex()[:16]} has another hash")
                    yield key, self._read_row(place, *row)

    def clear(self) -> None:
        for shard in self.shards:
            self._within(shard, shard.remove_all)

    # Keys.
    def rotate_key(self) -> int:
        """A new data key, every row encrypted with it, the old key dropped. The number of rows."""
        if not self.crypt:
            raise Refused("InvalidArgument", "the stash is not encrypted")
        keys, rows = self.crypt.keyring, 0
        keys.epochs[keys.current + 1] = self.random.draw(keyring.KEY)
        self._store(keys)
        for shard in self.shards:
            for slot in range(SLOTS):
                for key_hash, column, value, *time in shard.rows(slot):
                    place = Place(shard.number, slot, key_hash)
                    key = self.key(self.crypt.open_key(place, column))
                    old = self._read_row(place, value, *time)
                    version = record.join_version(*time)
                    new = record.build(key_hash, version, old.body, old.expires_at, old.idle_us, self.crypt, self.random.draw)
                    shard.reseal(slot, key_hash, self._column(key), new)
                    rows += 1
        keys.epochs = {keys.current: keys.epochs[keys.current]}
        self._store(keys)
        return rows

    def _store(self, keys: keyring.Keyring) -> None:
        made = keyring.to_bytes(keys, self.secret, self.random.draw(xchacha.NONCE))
        (self.directory / keyring.NAME).write_bytes(made)
