"""The store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar, overload

from . import _lifecycle, _memoize, _transaction
from ._errors import ConflictError, InvalidArgumentError
from ._litestash import Event, Stash, Subscription
from ._missing import MISSING
from ._subscriber import Subscriber
from ._transaction import Transaction
from ._typed_view import TypedStash
from ._typing import Key, Seconds
from ._views import StashItems, StashKeys, StashValues

_T = TypeVar("_T")
_P = ParamSpec("_P")
_StashT = TypeVar("_StashT", bound="LiteStash")

#: Rows that `update` hands over at a time.
_UPDATE_ROWS = 1000


#: Options that no pickle holds.
_SECRETS = frozenset({"encryption_key", "passphrase"})


# `get` of the first base comes first, and can do more.
class LiteStash(Stash, MutableMapping[Key, Any]):  # pyright: ignore[reportIncompatibleMethodOverride]
    """A key-value store in a directory, used like a dict, and by any number of threads and processes at once.

    >>> import tempfile, litestash
    >>> folder = tempfile.TemporaryDirectory()
    >>> with litestash.LiteStash(folder.name) as stash:
    ...     stash["ada"] = {"born": 1815, "tags": ["math"]}
    ...     stash.set("token", "secret", ttl=3600) > 0
    ...     stash.get("missing") is None
    True
    True
    >>> with litestash.LiteStash(folder.name) as stash:
    ...     stash["ada"]["born"]
    1815
    >>> folder.cleanup()

    Keys are str, int, float or bytes; `1`, `1.0` and `True` are one key. Values are None, bool, int (64 bits), float,
    str, bytes, aware datetimes, lists, tuples (read back as lists), dicts with text keys, vectors (`array('f')`, numpy
    float32, read back as `array('f')`), and dataclasses, pydantic models and msgspec structs (read back with `type=`).
    Nothing is ever pickled.

    Times are seconds or timedeltas. What an acknowledged write has reached is said by `durability`: `"normal"` (the
    default) survives the death of the process, `"full"` a power cut too, `"relaxed"` is written within about 10 ms.

    A stash can be pickled (by its path) and used after `fork()`: the child opens it anew. It is closed by `close()`, by
    its `with` block, and when the interpreter ends.

    Options, with their defaults: `create` (True; else a missing stash is `NoStashError`), `read_only` (False),
    `immutable` (False; read-only, and nobody writes), `allow_network_file_system` (False), `durability` (`"normal"`),
    `busy_timeout` (30 s), `value_bytes_max` (64 MiB), `cache_bytes` (16 MiB), `default_ttl` (None), `background` (True:
    expired rows are removed by themselves), `max_bytes`, `max_rows` (None), `eviction` (`"none"`,
    `"least_recently_stored"`, `"least_recently_used"`, `"least_frequently_used"` or `"random"`), `compression` (False;
    True, or a dict with `level` and `min_bytes`), `encryption_key` (32 bytes) or `passphrase` (None).
    """

    _reopened_with: tuple[Any, ...]

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        self._start(os.path.expanduser(os.fspath(path)), options)

    def _start(self, path: str | None, options: dict[str, Any]) -> None:
        # A relative path is another one after chdir.
        self._reopened_with = (path if path is None else os.path.abspath(path), options)
        self._open(path, dict(options))
        _lifecycle.opened(self)

    @classmethod
    def memory(cls: type[_StashT], **options: Any) -> _StashT:
        """A stash in memory, which ends with the object.

        >>> LiteStash.memory().get("a", "nothing")
        'nothing'
        """
        stash = cls.__new__(cls)
        stash._start(None, options)
        return stash

    def bucket(self, name: str, **options: Any) -> LiteStash:
        """The bucket of that name: a stash of its own inside this one, made by its first write.

        Options: `durability`, `value_bytes_max`, `cache`, `default_ttl`, `max_bytes`, `max_rows`, `eviction`.

        >>> stash = LiteStash.memory()
        >>> sessions = stash.bucket("sessions")
        >>> sessions["a"] = 1
        >>> "a" in stash, stash.buckets()
        (False, ['sessions'])
        """
        bucket = LiteStash.__new__(LiteStash)
        bucket._open_bucket(self, name, dict(options))
        bucket._reopened_with = (self, name, options)
        return bucket

    def with_durability(self, durability: str) -> LiteStash:
        """The same stash with another durability of writes."""
        other = LiteStash.__new__(LiteStash)
        other._open_level(self, durability)
        other._reopened_with = (self, durability)
        return other

    # Mapping

    def __iter__(self) -> Iterator[Key]:
        return self._scan("keys")

    #: Rows have no order of their own but that of their keys' hashes.
    __reversed__ = None

    def keys(
        self, *, prefix: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> StashKeys:
        """The keys, lazily; with a prefix only text keys that begin with it."""
        return StashKeys(self, prefix, limit, cursor)

    def values(
        self, *, prefix: str | None = None, limit: int | None = None, cursor: str | None = None, type: Any = None
    ) -> StashValues:
        """The values, lazily."""
        return StashValues(self, prefix, limit, cursor, type)

    def items(
        self, *, prefix: str | None = None, limit: int | None = None, cursor: str | None = None, type: Any = None
    ) -> StashItems:
        """The keys with their values, lazily."""
        return StashItems(self, prefix, limit, cursor, type)

    def pop(self, key: Key, default: Any = MISSING) -> Any:
        """The value of a key, which is deleted, in one step."""
        value = self.take(key, MISSING)
        if value is not MISSING:
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[Key, Any]:
        """Any row, which is deleted. KeyError if there is none."""
        for key in self:
            value = self.take(key, MISSING)
            if value is not MISSING:
                return key, value
        raise KeyError("popitem(): the stash is empty")

    def setdefault(self, key: Key, default: Any = None) -> Any:
        """The value of a key; if it is not there, `default`, which is stored, in one step."""
        while True:
            value = self.get(key, MISSING)
            if value is not MISSING:
                return value
            if self.add(key, default):
                return self.get(key, default)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Stores many rows, a thousand at a time; each shard's part of those is one transaction."""
        if isinstance(other, Mapping) or hasattr(other, "keys"):
            pairs: Iterable[tuple[Key, Any]] = ((key, other[key]) for key in other.keys())
        else:
            pairs = ((key, value) for key, value in other)
        batch: list[tuple[Key, Any]] = []
        for pair in pairs:
            batch.append(pair)
            if len(batch) == _UPDATE_ROWS:
                self.set_many(batch)
                batch.clear()
        batch += more.items()
        if batch:
            self.set_many(batch)

    def __ior__(self: _StashT, other: Any) -> _StashT:
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self is other or dict(self.items()) == dict(other.items())

    # Two stashes may be equal today and not tomorrow.
    __hash__ = None  # type: ignore[assignment]

    # More on one key

    def decr(self, key: Key, by: int | float = 1) -> Any:
        """Subtracts from a number and returns the difference.

        >>> LiteStash.memory().decr("left", 2)
        -2
        """
        return self.incr(key, -by)

    def typed(self, type: type[_T], *, prefix: str = "") -> TypedStash[_T]:
        """This stash as a mapping of text keys to values of one type, each checked as it is read.

        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class User:
        ...     name: str
        >>> users = LiteStash.memory().typed(User, prefix="user:")
        >>> users["1"] = User("Ada")
        >>> users["1"]
        User(name='Ada')
        """
        return TypedStash(self, type, prefix)

    # Several keys

    def transact(self) -> AbstractContextManager[Transaction]:
        """A block whose reads and writes happen together or not at all.

        >>> stash = LiteStash.memory()
        >>> stash.update(ada=100, bob=0)
        >>> with stash.transact() as txn:
        ...     txn["bob"] += 30
        ...     txn["ada"] -= 30
        >>> stash["ada"], stash["bob"]
        (70, 30)

        The block works on the transaction, not on the stash. If what it read was written meanwhile by somebody else, it
        ends with `ConflictError` and nothing was done; `in_transaction` repeats a function. A `transact()` inside it is
        a savepoint.
        """
        return _transaction.transact(self)

    def in_transaction(self, function: Callable[[Transaction], _T], *, attempts: int = 100) -> _T:
        """Calls a function with a transaction, again after each `ConflictError`, and returns what it returns.

        >>> stash = LiteStash.memory()
        >>> stash.in_transaction(lambda txn: txn.incr("a"))
        1
        """
        if attempts < 1:
            raise InvalidArgumentError("attempts is at least 1")
        while True:
            attempts -= 1
            try:
                with self.transact() as transaction:
                    result = function(transaction)
                return result
            except ConflictError:
                if attempts == 0:
                    raise

    # Computations

    @overload
    def memoize(self, function: Callable[_P, _T], /) -> _memoize.Memoized[_P, _T]: ...
    @overload
    def memoize(
        self,
        function: None = None,
        *,
        ttl: Seconds | None = None,
        key: Callable[..., Key] | None = None,
        condition: str | Callable[..., Any] | None = None,
        stale_while_revalidate: Seconds | None = None,
        type: Any = None,
    ) -> _memoize.Decorator: ...
    def memoize(
        self,
        function: Callable[..., Any] | None = None,
        *,
        ttl: Seconds | None = None,
        key: Callable[..., Key] | None = None,
        condition: str | Callable[..., Any] | None = None,
        stale_while_revalidate: Seconds | None = None,
        type: Any = None,
    ) -> Any:
        """Decorator: results of calls are kept in the stash, also None, and computed once however many ask.

        >>> stash = LiteStash.memory()
        >>> @stash.memoize(ttl=60)
        ... def square(n):
        ...     print("computing")
        ...     return n * n
        >>> square(7), square(7)
        computing
        (49, 49)
        >>> square.invalidate(7)
        True

        Calls are told apart by module, qualified name and arguments with their types; `key` is a function of the
        arguments that returns the key instead. While `condition`, a function of the arguments or a key of the stash,
        is false, calls are not kept. With `stale_while_revalidate`, results that old are still given while one caller
        computes the next. Functions may be async. `__wrapped__`, `cache_key(*args)` and `invalidate(*args)` belong to
        the decorated function. `type` says what results are read as.
        """
        decorate = _memoize.Memoize(self, ttl, key, condition, stale_while_revalidate, type)
        return decorate if function is None else decorate(function)

    # Events

    @overload
    def subscribe(
        self,
        function: None = None,
        *,
        kinds: Iterable[str] | None = None,
        prefix: str | None = None,
        key: Key | None = None,
        all_processes: bool = False,
        capacity: int | None = None,
    ) -> Subscription: ...
    @overload
    def subscribe(
        self,
        function: Callable[[Event], object],
        *,
        kinds: Iterable[str] | None = None,
        prefix: str | None = None,
        key: Key | None = None,
        all_processes: bool = False,
        capacity: int | None = None,
    ) -> Subscriber: ...
    def subscribe(
        self,
        function: Callable[[Event], object] | None = None,
        *,
        kinds: Iterable[str] | None = None,
        prefix: str | None = None,
        key: Key | None = None,
        all_processes: bool = False,
        capacity: int | None = None,
    ) -> Subscription | Subscriber:
        """Hears of what happens to keys from now on.

        Without a function it returns a `Subscription`, whose events are iterated over; with one a `Subscriber`, which
        calls it for each event on a thread of its own. `kinds` are of set, delete, expire, evict, clear and access;
        `all_processes` hears of everybody's changes, not only of this stash object's.

        >>> stash = LiteStash.memory()
        >>> with stash.subscribe(prefix="user:") as events:
        ...     stash["user:1"] = "Ada"
        ...     event = events.get(timeout=5)
        >>> event.kind, event.key
        ('set', 'user:1')
        """
        names = None if kinds is None else list(kinds)
        events: Subscription = self._subscribe(names, prefix, key, all_processes, capacity)
        return events if function is None else Subscriber(events, function)

    # The object

    def __enter__(self: _StashT) -> _StashT:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_in_memory:
            raise TypeError("a stash in memory cannot be pickled")
        if not _SECRETS.isdisjoint(self._reopened_with[-1]):
            raise TypeError("an encrypted stash cannot be pickled: the pickle would hold its key")
        return _restored, (type(self), self._reopened_with)

    def __repr__(self) -> str:
        if self.closed:
            return f"<{type(self).__name__} closed>"
        return f"<{type(self).__name__} {os.fspath(self.path) if self.path else 'in memory'}>"


def _restored(cls: type[LiteStash], how: tuple[Any, ...]) -> LiteStash:
    match how:
        case (LiteStash() as parent, str(name), dict(options)):
            return parent.bucket(name, **options)
        case (LiteStash() as parent, str(durability)):
            return parent.with_durability(durability)
        case (path, options):
            stash = cls.__new__(cls)
            stash._start(path, options)
            return stash
    raise InvalidArgumentError("this is no pickled stash")
