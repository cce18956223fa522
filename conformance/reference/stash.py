"""A small stash with a fixed clock: the rows that the operations of PROTOCOL.md leave, and nothing else.

Methods take native keys and values, raise Refused, and check all their arguments before anything is written.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import journal
import keyring
import record
import watched
import xchacha
from decode import decode
from encode import encode
from errors import Refused
from keyring import Counter
from keys import Key, make_key
from layout import SHARDS, SLOTS
from sealing import Crypt, Place
from shard import Shard
from values import fits_i64

# A key, what is done with it, and whether the answer says that a condition did not hold.
TransactionJob = tuple[Key, Callable[[Key], object], Callable[[object], bool]]

ABSENT = object()
EXACT_FLOAT = 2**53


@dataclass(frozen=True)
class Expiry:
    """When a row ends: not at all, at a time, or `idle_us` behind its last use."""

    expires_at: int | None = None
    idle_us: int | None = None

    def renewed(self, now: int) -> "Expiry":
        """With the window begun anew."""
        return self if self.idle_us is None else Expiry(min(now + self.idle_us, 2**63 - 1), self.idle_us)

    def prolonged(self, now: int) -> "Expiry | None":
        """What a use makes of it, if that is to be written: an eighth of the window, rounded up, has passed."""
        if self.idle_us is None or self.expires_at - now > self.idle_us - -(-self.idle_us // 8):
            return None
        renewed = self.renewed(now)
        return None if renewed == self else renewed


NEVER = Expiry()


@dataclass(frozen=True)
class Entry:
    """A stored row that was read and checked."""

    body: bytes
    version: int
    expiry: Expiry

    @property
    def expires_at(self) -> int | None:
        return self.expiry.expires_at

    @property
    def idle_us(self) -> int | None:
        return self.expiry.idle_us


@dataclass(frozen=True)
class Use:
    """A use of a row with a window: the row as it was, and when."""

    key: Key
    version: int
    expiry: Expiry
    at: int


class Stash:
    def __init__(
        self,
        directory: Path,
        clock: int,
        read_only: bool = False,
        secret: bytes | None = None,
        random: Counter | None = None,
        default_ttl_us: int | None = None,
        crypt: Crypt | None = None,
        limits: dict | None = None,
    ) -> None:
        """A bucket of an encrypted stash gets `crypt` instead of the secret. `limits` is that of a script: rows are refused
        beyond `rows`; nothing is evicted here."""
        self.directory, self.clock, self.secret = directory, clock, secret
        self.random = random or Counter()
        self.default_ttl_us = default_ttl_us
        self.rows_max = limits.get("rows") if limits else None
        self.uses: dict[bytes, Use] = {}
        keys = None if crypt else keyring.open_or_make(directory, secret, self.random, read_only)
        self.crypt = Crypt(keys) if keys else crypt
        stash = self.crypt.keyring.stash if self.crypt else None
        self.shards = [Shard(directory, number, read_only, stash, limits is not None) for number in range(SHARDS)]
        try:
            journal.refuse_unfinished(directory, [shard.applied() for shard in self.shards])
        except Refused:
            self.close()
            raise

    def key(self, native: object) -> Key:
        """A key with the hash that it has in this stash."""
        return make_key(native, self.crypt.hash_key if self.crypt else b"")

    def close(self) -> None:
        self.write_uses()
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
        watched.finish(shard.connection, self.clock, shard.changes)
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

    def transaction(self, jobs: list[TransactionJob]) -> list | int:
        """Runs all jobs, in order, or none: then the result is the index of the job whose answer its last part refuses.
        There is no other process, and no crash, so it needs no journal; but the shards look as if there were one."""
        done = self._attempt(jobs, is_last=False)
        return self._attempt(jobs, is_last=True) if done is None else done

    def _attempt(self, jobs: list[TransactionJob], is_last: bool) -> list | int | None:
        """None, and nothing is done, if it is not the last and shards have to be made or marked for it (section 14)."""
        shards = [self.shards[number] for number in sorted({key.shard for key, _, _ in jobs})]
        existed = [shard.connection is not None for shard in shards]
        before = [shard.total_changes() for shard in shards]
        for shard in shards:
            shard.begin()
        results, keep = [], False
        try:
            for at, (key, work, refuses) in enumerate(jobs):
                # A shard that is created on the way begins by itself, after its tables were made.
                missing = self.shards[key.shard].connection is None
                results.append(work(key))
                if missing and self.shards[key.shard].connection:
                    before[shards.index(self.shards[key.shard])] = -1
                if refuses(results[-1]):
                    return at
            written = [shard for shard, changes in zip(shards, before) if shard.total_changes() != max(changes, 0)]
            made = any(shard in written and not there for shard, there in zip(shards, existed))
            if not is_last and (made or len(written) > 1 and not all(shard.is_marked() for shard in written)):
                return None
            if len(written) > 1:
                number = 1 + max(shard.applied() for shard in self.shards)
                for shard in written:
                    shard.set_applied(number)
            for shard in written:
                watched.finish(shard.connection, self.clock, shard.changes)
            keep = True
            return results
        finally:
            for shard, there in zip(shards, existed):
                shard.end(keep)
                if not keep and not there and shard.connection:
                    shard.remove_file()

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

    def _write(self, key: Key, body: bytes, expiry: Expiry) -> int:
        old = self._stored(key)
        if not old and self.rows_max is not None and sum(shard.count() for shard in self.shards) >= self.rows_max:
            raise Refused("LimitReached", "rows")
        version = max(self.clock, old.version + 1) if old else self.clock
        self._put(key, version, body, expiry)
        return version

    def _put(self, key: Key, version: int, body: bytes, expiry: Expiry, is_change: bool = True) -> None:
        deadline = (expiry.expires_at, expiry.idle_us)
        sealed = record.build(key.hash, version, body, *deadline, crypt=self.crypt, draw=self.random.draw)
        row = (key.hash, self._column(key), sealed, *record.split_version(version))
        self.shards[key.shard].put(key.slot, row, expiry.expires_at, is_change)

    def _made(self) -> Expiry:
        """The expiry of a row that is made without saying one."""
        return NEVER if self.default_ttl_us is None else Expiry(self.clock + self.default_ttl_us)

    def _kept(self, live: Entry | None) -> Expiry:
        """The expiry of a row that is written and keeps what it has."""
        return live.expiry.renewed(self.clock) if live else self._made()

    # Sliding deadlines.
    def _use(self, key: Key) -> Entry | None:
        live = self._live(key)
        if live and live.expiry.prolonged(self.clock):
            at, noted = self.clock, self.uses.get(key.hash)
            if noted and (noted.version, noted.expiry) == (live.version, live.expiry):
                at = max(at, noted.at)
            self.uses[key.hash] = Use(key, live.version, live.expiry, at)
        return live

    def write_uses(self) -> None:
        """Prolongs what was used, if it is there and unchanged."""
        uses, self.uses = self.uses, {}
        for _, use in sorted(uses.items()):
            self._within(self.shards[use.key.shard], lambda use=use: self._prolong(use))

    def _prolong(self, use: Use) -> None:
        live = self._live(use.key)
        if live and (live.version, live.expiry) == (use.version, use.expiry):
            self._put(use.key, live.version, live.body, use.expiry.prolonged(use.at), is_change=False)

    def _column(self, key: Key) -> object:
        return self.crypt.seal_key(Place.of(key.hash), key.storage, key.raw) if self.crypt else key.native

    def _read_row(self, place: Place, value: bytes, timestamp: int, microsecond: int) -> Entry:
        parsed = record.parse(place.key_hash, timestamp, microsecond, value, self.crypt, place)
        return Entry(parsed.body, record.join_version(timestamp, microsecond), Expiry(parsed.expires_at, parsed.idle_us))

    def _remove(self, key: Key, by_age: bool = False) -> Entry | None:
        """Removes the row if there is one, also an expired one; returns it only if it was not expired."""
        stored = self._stored(key)
        if stored:
            kind = watched.EXPIRE if by_age or self._expired(stored) else watched.DELETE
            self.shards[key.shard].remove(watched.Change(kind, key.slot, key.hash, self._column(key), stored.version))
        return stored if stored and not self._expired(stored) else None

    def deadline(self, **said: int | None) -> Expiry | None:
        """The expiry that `ttl_us`, `expires_at` or `idle_us` says; None if none is given."""
        if len(said) > 1:
            raise Refused("InvalidArgument", "more than one deadline")
        if not said:
            return None
        [(name, number)] = said.items()
        if name == "expires_at":
            expiry = Expiry(number)
        elif number is None or number <= 0:
            raise Refused("InvalidArgument", f"{name} is not positive")
        else:
            expiry = Expiry(self.clock + number, number if name == "idle_us" else None)
        if expiry.expires_at is not None and not fits_i64(expiry.expires_at):
            raise Refused("InvalidArgument", "deadline out of range")
        return expiry

    # Single-key operations: each returns the work for `single` and `batch`, after checking its arguments.
    def get(self) -> Callable[[Key], Entry | None]:
        return self._use

    def look(self) -> Callable[[Key], Entry | None]:
        """As `get`, but no use."""
        return self._live

    def take(self) -> Callable[[Key], Entry | None]:
        return self._remove

    def delete(self) -> Callable[[Key], bool]:
        return lambda key: self._remove(key) is not None

    def exists(self) -> Callable[[Key], bool]:
        return lambda key: self._live(key) is not None

    def check(self, condition: Callable[[Entry | None], bool]) -> Callable[[Key], bool]:
        return lambda key: condition(self._live(key))

    def set(
        self,
        value: object,
        condition: Callable[[Entry | None], bool] = lambda live: True,
        expiry: Expiry | None = None,
        keep_ttl: bool = False,
    ) -> Callable[[Key], int | None]:
        """The new version, or None if the condition, asked about the unexpired row, says no."""
        body = encode(value)
        if keep_ttl and expiry is not None:
            raise Refused("InvalidArgument", "keep_ttl and a deadline")

        def work(key: Key) -> int | None:
            live = self._live(key)
            if not condition(live):
                return None
            kept = self._kept(live if keep_ttl else None)
            return self._write(key, body, kept if expiry is None else expiry)

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
        self._write(key, encode(result), self._kept(live))
        return result

    def expire(self, expiry: Expiry | None) -> Callable[[Key], bool]:
        if expiry is None:
            raise Refused("InvalidArgument", "no deadline")

        def work(key: Key) -> bool:
            live = self._live(key)
            if live:
                self._write(key, live.body, expiry)
            return live is not None

        return work

    def persist(self) -> Callable[[Key], bool]:
        def work(key: Key) -> bool:
            live = self._live(key)
            if not live or live.expires_at is None:
                return False
            self._write(key, live.body, NEVER)
            return True

        return work

    def touch(self) -> Callable[[Key], bool]:
        def work(key: Key) -> bool:
            live = self._live(key)
            if live and live.expiry.renewed(self.clock) != live.expiry:
                self._put(key, live.version, live.body, live.expiry.renewed(self.clock), is_change=False)
            return live is not None

        return work

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

    def sweep(self) -> dict[str, int]:
        """Removes expired rows, and the hints that are due."""
        self.write_uses()
        swept = {"rows": 0, "hints": 0}
        for shard in self.shards:
            self._within(shard, lambda shard=shard: self._sweep(shard, swept))
        return swept

    def _sweep(self, shard: Shard, swept: dict[str, int]) -> None:
        for hint in shard.due_hints(self.clock):
            _, slot, key_hash = hint
            row = shard.whole_row(slot, key_hash)
            if row and self._expired(entry := self._read_row(Place(shard.number, slot, key_hash), *row[1:])):
                shard.remove(watched.Change(watched.EXPIRE, slot, key_hash, row[0], entry.version))
                swept["rows"] += 1
            shard.remove_hint(hint)
            swept["hints"] += 1

    def expire_older_than(self, age_us: int, prefix: str | None = None) -> int:
        if age_us < 0:
            raise Refused("InvalidArgument", "age_us is negative")
        old = [self.key(key) for key, entry in self.items(prefix) if entry.version < self.clock - age_us]
        for key in old:
            self._within(self.shards[key.shard], lambda key=key: self._remove(key, by_age=True))
        return len(old)

    def clear(self) -> None:
        for shard in self.shards:
            self._within(shard, shard.remove_all)

    def watch(self, us: int) -> None:
        for shard in self.shards:
            if not shard.connection:
                shard.create()
            self._within(shard, lambda shard=shard: watched.watch(shard.connection, self.clock, us))

    # Keys.
    def rotate_key(self, buckets: "list[Stash]") -> int:
        """A new data key, every row encrypted with it, those of buckets too, the old key dropped. The number of rows."""
        if not self.crypt:
            raise Refused("InvalidArgument", "the stash is not encrypted")
        keys = self.crypt.keyring
        keys.epochs[keys.current + 1] = self.random.draw(keyring.KEY)
        self._store(keys)
        rows = self.reseal() + sum(bucket.reseal() for bucket in buckets)
        keys.epochs = {keys.current: keys.epochs[keys.current]}
        self._store(keys)
        return rows

    def reseal(self) -> int:
        """Encrypts every row, and every key in the log of changes, with the newest data key."""
        rows = 0
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
            for number, slot, key_hash, column in shard.logged():
                key = self.key(self.crypt.open_key(Place(shard.number, slot, key_hash), column))
                shard.relog(number, self._column(key))
        return rows

    def _store(self, keys: keyring.Keyring) -> None:
        made = keyring.to_bytes(keys, self.secret, self.random.draw(xchacha.NONCE))
        (self.directory / keyring.NAME).write_bytes(made)
