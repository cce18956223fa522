import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, final, overload

from typing_extensions import Self

from ._typing import Key, Moment, Seconds

_T = TypeVar("_T")
_D = TypeVar("_D")
_Row = TypeVar("_Row")

__version__: str
sqlite_version: str

def begin_exit() -> None: ...
def repair(source: str | os.PathLike[str], destination: str | os.PathLike[str]) -> dict[str, Any]:
    """Copies what is sound in a damaged stash into a new one. Returns what was copied and what was lost."""

@final
class Timestamp:
    def __new__(cls, seconds: int, nanoseconds: int = 0) -> Timestamp: ...
    @property
    def seconds(self) -> int: ...
    @property
    def nanoseconds(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __lt__(self, other: Timestamp, /) -> bool: ...
    def __le__(self, other: Timestamp, /) -> bool: ...
    def __gt__(self, other: Timestamp, /) -> bool: ...
    def __ge__(self, other: Timestamp, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Timestamp], tuple[int, int]]: ...

@final
class Entry:
    @property
    def value(self) -> Any: ...
    @property
    def version(self) -> int: ...
    @property
    def expires_at(self) -> datetime.datetime | Timestamp | None: ...
    @property
    def idle(self) -> datetime.timedelta | None: ...
    @property
    def size(self) -> int: ...

@final
class Event:
    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> Key | None: ...
    @property
    def bucket(self) -> str | None: ...
    @property
    def version(self) -> int | None: ...
    @property
    def is_local(self) -> bool: ...
    @property
    def missed(self) -> int: ...

@final
class Subscription:
    def get(self, timeout: Seconds | None = None) -> Event | None: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def dropped(self) -> int: ...
    def __iter__(self) -> Subscription: ...
    def __next__(self) -> Event: ...
    def __enter__(self) -> Subscription: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Scan(Generic[_Row]):
    @property
    def cursor(self) -> str: ...
    def __iter__(self) -> Scan[_Row]: ...
    def __next__(self) -> _Row: ...

@final
class Op:
    @staticmethod
    def get(key: Key) -> Op: ...
    @staticmethod
    def exists(key: Key) -> Op: ...
    @staticmethod
    def entry(key: Key) -> Op: ...
    @staticmethod
    def set(
        key: Key,
        value: Any,
        *,
        ttl: Seconds | None = None,
        idle: Seconds | None = None,
        expires_at: Moment | None = None,
        keep_ttl: bool = False,
        if_absent: bool = False,
        if_present: bool = False,
        if_version: int | None = None,
    ) -> Op: ...
    @staticmethod
    def delete(key: Key) -> Op: ...
    @staticmethod
    def take(key: Key) -> Op: ...
    @staticmethod
    def incr(key: Key, by: int | float | None = None) -> Op: ...
    @staticmethod
    def compare_and_set(key: Key, expected: Any, value: Any) -> Op: ...
    @staticmethod
    def expire(
        key: Key, ttl: Seconds | None = None, *, idle: Seconds | None = None, expires_at: Moment | None = None
    ) -> Op: ...
    @staticmethod
    def persist(key: Key) -> Op: ...
    @staticmethod
    def touch(key: Key) -> Op: ...
    @staticmethod
    def check(key: Key, *, present: bool = False, absent: bool = False, version: int | None = None) -> Op: ...
    @staticmethod
    def expect(key: Key, value: Any) -> Op: ...

class Stash:
    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def _open(self, path: str | os.PathLike[str] | None, options: dict[str, Any]) -> None: ...
    def _open_bucket(self, parent: Stash, name: str, options: dict[str, Any]) -> None: ...
    def _open_level(self, parent: Stash, level: str) -> None: ...
    def _peek(self, key: Key) -> tuple[bool, Any]: ...
    def _perform(self, ops: Iterable[Op]) -> list[Any]: ...
    def _scan(
        self, what: str, prefix: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Scan[Any]: ...
    def _subscribe(
        self,
        kinds: list[str] | None,
        prefix: str | None,
        key: Key | None,
        all_processes: bool,
        capacity: int | None,
    ) -> Subscription: ...
    def _import_rows(self, rows: list[tuple[Any, Any, int | None, int | None]]) -> dict[str, Any]: ...
    @staticmethod
    def _memo_key(prefix: bytes, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> bytes: ...
    def _memo_get(self, prefix: bytes, args: tuple[Any, ...], default: Any) -> Any: ...
    @overload
    def get(self, key: Key, default: None = None) -> Any: ...
    @overload
    def get(self, key: Key, default: Any) -> Any: ...
    @overload
    def get(self, key: Key, default: None = None, *, type: type[_T]) -> _T | None: ...
    @overload
    def get(self, key: Key, default: _D, *, type: type[_T]) -> _T | _D: ...
    @overload
    def get(self, key: Key, default: Any = None, *, type: Any) -> Any:
        """The value of a key, or `default`. `type` says what it is read as; a value that is none is TypeMismatchError."""
    def __getitem__(self, key: Key, /) -> Any: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __setitem__(self, key: Key, value: Any, /) -> None: ...
    def __delitem__(self, key: Key, /) -> None: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def set(
        self,
        key: Key,
        value: Any,
        *,
        ttl: Seconds | None = None,
        idle: Seconds | None = None,
        expires_at: Moment | None = None,
        keep_ttl: bool = False,
        if_absent: bool = False,
        if_present: bool = False,
        if_version: int | None = None,
    ) -> int | None:
        """Stores a value with a deadline or on a condition. Returns the new version, or None if that did not hold."""
    def add(
        self,
        key: Key,
        value: Any,
        *,
        ttl: Seconds | None = None,
        idle: Seconds | None = None,
        expires_at: Moment | None = None,
    ) -> bool:
        """Stores a value if the key is not there. Returns whether it did."""
    def replace(
        self,
        key: Key,
        value: Any,
        *,
        ttl: Seconds | None = None,
        idle: Seconds | None = None,
        expires_at: Moment | None = None,
    ) -> bool:
        """Stores a value if the key is there. Returns whether it did."""
    def delete(self, key: Key) -> bool:
        """Deletes a key. Returns whether it was there."""
    @overload
    def take(self, key: Key, default: Any = None) -> Any: ...
    @overload
    def take(self, key: Key, default: None = None, *, type: type[_T]) -> _T | None: ...
    @overload
    def take(self, key: Key, default: Any = None, *, type: Any) -> Any:
        """The value of a key, which is deleted, in one step."""
    def incr(self, key: Key, by: int | float | None = None) -> Any:
        """Adds to a number, 1 unless said otherwise, and returns the sum. A key that is not there counts as 0."""
    def compare_and_set(self, key: Key, expected: Any, value: Any) -> bool:
        """Stores `value` if the key holds `expected`; `MISSING` for a key that is not there. Returns whether it did."""
    def expire(
        self, key: Key, ttl: Seconds | None = None, *, idle: Seconds | None = None, expires_at: Moment | None = None
    ) -> bool:
        """Gives a key a new deadline. Returns whether it was there."""
    def persist(self, key: Key) -> bool:
        """Takes a key's deadline away. Returns whether it had one."""
    def touch(self, key: Key) -> bool:
        """Begins a sliding deadline anew. Returns whether the key was there."""
    def entry(self, key: Key) -> Entry | None:
        """The value of a key with its version, deadline and size, or None."""
    def expires_at(self, key: Key) -> datetime.datetime | Timestamp | None:
        """When a key ends, or None if it has no deadline. KeyError if it is not there."""
    def ttl(self, key: Key) -> float | None:
        """Seconds that a key has left, or None if it has no deadline. KeyError if it is not there."""
    def get_or_set(
        self,
        key: Key,
        compute: Callable[[], _T],
        *,
        ttl: Seconds | None = None,
        idle: Seconds | None = None,
        expires_at: Moment | None = None,
        stale_while_revalidate: Seconds | None = None,
        lease: Seconds | None = None,
        across_processes: bool = True,
    ) -> _T:
        """The value of a key; if it is not there, what `compute` gives, stored. One computation for each key."""
    def apply(self, ops: Iterable[Op]) -> list[Any]:
        """Independent operations: what each answered, or its exception."""
    def transaction(self, ops: Iterable[Op]) -> list[Any]:
        """Operations that are done together or not at all. RefusedError if a condition does not hold."""
    def get_many(self, keys: Iterable[Key], *, type: Any = None) -> dict[Key, Any]:
        """The values of the keys that are there."""
    def set_many(
        self,
        items: Mapping[Any, Any] | Iterable[tuple[Key, Any]],
        *,
        ttl: Seconds | None = None,
        idle: Seconds | None = None,
        expires_at: Moment | None = None,
    ) -> list[int]:
        """Stores many values, those of a shard in one transaction. Returns their versions."""
    def delete_many(self, keys: Iterable[Key]) -> list[bool]:
        """Deletes many keys; tells for each whether it was there."""
    def clear(self) -> None: ...
    def stats(self) -> dict[str, Any]:
        """Figures about the stash."""
    def verify(self) -> dict[str, Any]:
        """Reads and checks everything. `problems` is empty if all is sound."""
    def backup(self, destination: str | os.PathLike[str]) -> dict[str, Any]:
        """Copies the stash into another directory while it is used."""
    def compact(self) -> dict[str, Any]:
        """Gives free pages back to the file system."""
    def sync(self) -> None:
        """Makes everything that was acknowledged so far survive a power cut."""
    def sweep(self) -> dict[str, Any]:
        """Removes expired rows now."""
    def expire_older_than(self, age: Seconds, *, prefix: str | None = None) -> int:
        """Removes rows that were written longer ago. Returns how many."""
    def export(self, path: str | os.PathLike[str], *, prefix: str | None = None) -> dict[str, Any]:
        """Writes every row as JSON Lines."""
    def import_(self, path: str | os.PathLike[str], *, keep_versions: bool = False) -> dict[str, Any]:
        """Reads JSON Lines and stores each row."""
    def buckets(self) -> list[str]:
        """The names of all buckets."""
    def drop_bucket(self, name: str) -> bool:
        """Deletes a bucket with all that is in it. Returns whether there was one."""
    def log_changes(self, span: Seconds) -> None:
        """Asks everybody who writes the stash to log changes for so long."""
    def close(self) -> None:
        """Closes the stash. What was acknowledged is written."""
    @property
    def closed(self) -> bool:
        """Whether it was closed."""
    @property
    def path(self) -> os.PathLike[str] | None:
        """The directory, or None in memory."""
    @property
    def is_in_memory(self) -> bool: ...
    @property
    def is_read_only(self) -> bool: ...
