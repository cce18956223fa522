"""The store for asyncio."""

from __future__ import annotations

import asyncio
import datetime
import functools
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from . import _typed
from ._errors import LiteStashError
from ._litestash import Entry, Event, Op, Subscription
from ._missing import MISSING

if TYPE_CHECKING:
    from ._litestash import Scan
    from ._stash import LiteStash
    from ._typing import Key, Seconds

_T = TypeVar("_T")

#: Threads that wait for files and locks in place of event loops.
_THREADS = 4

#: Operations that are handed over before the loop's turn ends.
_HANDED_OVER = 1000

#: Rows of a scan that are fetched at a time.
_PAGE = 256


def seconds(span: Seconds) -> float:
    """A span in seconds."""
    return span.total_seconds() if isinstance(span, datetime.timedelta) else float(span)


def left(deadline: Any) -> float:
    """Seconds until a deadline."""
    if not isinstance(deadline, datetime.datetime):
        return float("inf")
    return (deadline - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()


def _threads() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        with _pool_lock:
            if _pool is None:
                _pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="litestash")
    return _pool


def _forget_threads() -> None:
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


class _Turn:
    """Operations that are handed over together."""

    def __init__(self, stash: LiteStash, reads: bool) -> None:
        # Reads go one by one, so that what they find stays in memory for the next.
        self.perform = stash._perform if reads else stash.apply
        self.ops: list[Op] = []
        self.futures: list[asyncio.Future[Any]] = []
        #: Of the operations of a turn of writes.
        self.keys: list[Key] = []

    def run(self, loop: asyncio.AbstractEventLoop, done: Callable[[], None]) -> None:
        """On a thread of the pool."""
        answers: list[Any]
        try:
            answers = self.perform(self.ops)
        except BaseException as error:
            # The batch as a whole was refused: one too large, or a stash that is closed.
            answers = [error] if len(self.ops) == 1 else self._one_by_one()
        try:
            loop.call_soon_threadsafe(self._answer, answers, done)
        except RuntimeError:  # The loop was closed; nobody waits.
            pass

    def _one_by_one(self) -> list[Any]:
        answers: list[Any] = []
        for op in self.ops:
            try:
                answers += self.perform([op])
            except LiteStashError as error:
                answers.append(error)
        return answers

    def _answer(self, answers: list[Any], done: Callable[[], None]) -> None:
        for future, answer in zip(self.futures, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        done()


class _Lanes:
    """What one event loop hands over. Writes go one turn behind the other, and what comes meanwhile goes together; a
    read of a key that is being written goes behind them, other reads wait for nobody."""

    def __init__(self, stash: LiteStash, loop: asyncio.AbstractEventLoop) -> None:
        self.stash = stash
        self.loop = loop
        self.reads: _Turn | None = None
        self.writes: _Turn | None = None
        self.scheduled = False
        self.writing = False
        self.idle: asyncio.Future[None] | None = None
        # Keys on their way, and how often.
        self.keys: dict[Key, int] = {}

    @property
    def writes_wait(self) -> bool:
        return self.writing or self.writes is not None

    def submit(self, op: Op, key: Key, reads: bool) -> asyncio.Future[Any]:
        if reads and key not in self.keys:
            turn = self.reads = self.reads or _Turn(self.stash, True)
        else:
            turn = self.writes = self.writes or _Turn(self.stash, False)
            turn.keys.append(key)
            self.keys[key] = self.keys.get(key, 0) + 1
        future: asyncio.Future[Any] = self.loop.create_future()
        turn.ops.append(op)
        turn.futures.append(future)
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.hand_over)
        return future

    def hand_over(self) -> None:
        self.scheduled = False
        if self.reads is not None:
            turn, self.reads = self.reads, None
            _threads().submit(turn.run, self.loop, lambda: None)
        if self.writes is not None and not self.writing:
            turn, self.writes = self.writes, None
            if len(turn.ops) > _HANDED_OVER:
                rest = self.writes = _Turn(self.stash, False)
                rest.ops, turn.ops = turn.ops[_HANDED_OVER:], turn.ops[:_HANDED_OVER]
                rest.futures, turn.futures = turn.futures[_HANDED_OVER:], turn.futures[:_HANDED_OVER]
                rest.keys, turn.keys = turn.keys[_HANDED_OVER:], turn.keys[:_HANDED_OVER]
            self.writing = True
            _threads().submit(turn.run, self.loop, functools.partial(self._written, turn.keys))

    def _written(self, keys: list[Key]) -> None:
        self.writing = False
        for key in keys:
            left = self.keys[key] - 1
            if left:
                self.keys[key] = left
            else:
                del self.keys[key]
        self.hand_over()
        if not self.writes_wait and self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    async def drained(self) -> None:
        """When nothing that was called so far waits to be written."""
        while self.writes_wait:
            self.idle = self.idle if self.idle is not None and not self.idle.done() else self.loop.create_future()
            await self.idle


class AsyncLiteStash:
    """A stash for asyncio: the methods of `LiteStash` as coroutines. Nothing makes the loop wait for a file or a lock.

    What the calls of one turn of the loop want written is handed to a thread together and becomes a few commits; a
    `get` of a value that is in memory is answered at once.

    >>> import asyncio
    >>> async def main():
    ...     async with AsyncLiteStash.memory() as stash:
    ...         await asyncio.gather(*(stash.set(f"user:{n}", n) for n in range(100)))
    ...         return await stash.get("user:7")
    >>> asyncio.run(main())
    7
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        from ._stash import LiteStash

        self._begin(LiteStash(path, **options))

    def _begin(self, stash: LiteStash) -> None:
        self._stash = stash
        self._lanes: dict[asyncio.AbstractEventLoop, _Lanes] = {}

    @classmethod
    def memory(cls, **options: Any) -> AsyncLiteStash:
        """A stash in memory."""
        from ._stash import LiteStash

        return cls.over(LiteStash.memory(**options))

    @classmethod
    def over(cls, stash: LiteStash) -> AsyncLiteStash:
        """The twin of a stash that is open."""
        twin = cls.__new__(cls)
        twin._begin(stash)
        return twin

    @property
    def sync(self) -> LiteStash:
        """The stash itself, whose methods wait."""
        return self._stash

    def bucket(self, name: str, **options: Any) -> AsyncLiteStash:
        """The twin of a bucket."""
        return AsyncLiteStash.over(self._stash.bucket(name, **options))

    # Handing over

    def _lane(self) -> _Lanes:
        loop = asyncio.get_running_loop()
        lanes = self._lanes.get(loop)
        if lanes is None:
            # Loops that have ended are of no use any more.
            self._lanes = {old: lane for old, lane in self._lanes.items() if not old.is_closed()}
            lanes = self._lanes[loop] = _Lanes(self._stash, loop)
        return lanes

    def _submit(self, op: Op, key: Key, reads: bool = False) -> asyncio.Future[Any]:
        return self._lane().submit(op, key, reads)

    async def _call(self, function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """Something that is no operation on a key, on a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_threads(), lambda: function(*args, **kwargs))

    # One key

    async def get(self, key: Key, default: Any = None, *, type: Any = None) -> Any:
        """The value of a key, or `default`."""
        lane = self._lane()
        known, value = (False, MISSING) if key in lane.keys else self._stash._peek(key)
        if not known:
            value = await lane.submit(Op.get(key), key, True)
        if value is MISSING:
            return default
        return value if type is None else _typed.load(type, value)

    async def set(self, key: Key, value: Any, **options: Any) -> int | None:
        """Stores a value; the keywords are those of `LiteStash.set`."""
        version: int | None = await self._submit(Op.set(key, value, **options), key)
        return version

    async def add(self, key: Key, value: Any, **options: Any) -> bool:
        """Stores a value if the key is not there. Returns whether it did."""
        return await self.set(key, value, if_absent=True, **options) is not None

    async def replace(self, key: Key, value: Any, **options: Any) -> bool:
        """Stores a value if the key is there. Returns whether it did."""
        return await self.set(key, value, if_present=True, **options) is not None

    async def delete(self, key: Key) -> bool:
        """Deletes a key. Returns whether it was there."""
        return bool(await self._submit(Op.delete(key), key))

    async def take(self, key: Key, default: Any = None, *, type: Any = None) -> Any:
        """The value of a key, which is deleted."""
        value = await self._submit(Op.take(key), key)
        if value is MISSING:
            return default
        return value if type is None else _typed.load(type, value)

    async def exists(self, key: Key) -> bool:
        """Whether a key is there."""
        return bool(await self._submit(Op.exists(key), key, True))

    async def entry(self, key: Key) -> Entry | None:
        """The value of a key with its version, deadline and size, or None."""
        entry = await self._submit(Op.entry(key), key, True)
        return None if entry is MISSING else entry

    async def incr(self, key: Key, by: int | float = 1) -> Any:
        """Adds to a number and returns the sum."""
        return await self._submit(Op.incr(key, by), key)

    async def decr(self, key: Key, by: int | float = 1) -> Any:
        """Subtracts from a number and returns the difference."""
        return await self._submit(Op.incr(key, -by), key)

    async def compare_and_set(self, key: Key, expected: Any, value: Any) -> bool:
        """Stores `value` if the key holds `expected`; `MISSING` for a key that is not there."""
        return bool(await self._submit(Op.compare_and_set(key, expected, value), key))

    async def expire(self, key: Key, ttl: Seconds | None = None, **options: Any) -> bool:
        """Gives a key a new deadline. Returns whether it was there."""
        return bool(await self._submit(Op.expire(key, ttl, **options), key))

    async def persist(self, key: Key) -> bool:
        """Takes a key's deadline away. Returns whether it had one."""
        return bool(await self._submit(Op.persist(key), key))

    async def touch(self, key: Key) -> bool:
        """Begins a sliding deadline anew. Returns whether the key was there."""
        return bool(await self._submit(Op.touch(key), key))

    async def get_or_set(self, key: Key, compute: Callable[[], Awaitable[Any]], *, ttl: Seconds | None = None) -> Any:
        """The value of a key; if it is not there, what `compute` gives, stored. One computation in this loop."""
        from ._memoize import Memoize

        async def computed() -> Any:
            return await compute()

        return await Memoize(self._stash, ttl, lambda: key, None, None, None)(computed)()

    # Several keys

    async def get_many(self, keys: Iterable[Key]) -> dict[Key, Any]:
        """The values of the keys that are there."""
        return await self._call(self._stash.get_many, list(keys))

    async def set_many(self, items: Mapping[Any, Any] | Iterable[tuple[Key, Any]], **options: Any) -> list[int]:
        """Stores many values. Returns their versions."""
        pairs = items.items() if isinstance(items, Mapping) else items
        return await self._call(self._stash.set_many, list(pairs), **options)

    async def delete_many(self, keys: Iterable[Key]) -> list[bool]:
        """Deletes many keys; tells for each whether it was there."""
        return await self._call(self._stash.delete_many, list(keys))

    async def apply(self, ops: Iterable[Op]) -> list[Any]:
        """Independent operations: what each answered, or its exception."""
        return await self._call(self._stash.apply, list(ops))

    async def transaction(self, ops: Iterable[Op]) -> list[Any]:
        """Operations that are done together or not at all."""
        await self._lane().drained()
        return await self._call(self._stash.transaction, list(ops))

    # All keys

    async def _pages(self, scan: Scan[Any]) -> AsyncIterator[Any]:
        def page() -> list[Any]:
            return [row for _, row in zip(range(_PAGE), scan, strict=False)]

        while rows := await self._call(page):
            for row in rows:
                yield row

    def keys(self, *, prefix: str | None = None, limit: int | None = None) -> AsyncIterator[Key]:
        """The keys, lazily: `async for`."""
        return self._pages(self._stash._scan("keys", prefix, limit))

    def values(self, *, prefix: str | None = None, limit: int | None = None) -> AsyncIterator[Any]:
        """The values, lazily."""
        return self._pages(self._stash._scan("values", prefix, limit))

    def items(self, *, prefix: str | None = None, limit: int | None = None) -> AsyncIterator[tuple[Key, Any]]:
        """The keys with their values, lazily."""
        return self._pages(self._stash._scan("items", prefix, limit))

    def __aiter__(self) -> AsyncIterator[Key]:
        return self.keys()

    async def len(self) -> int:
        """How many rows there are."""
        return await self._call(self._stash.__len__)

    async def clear(self) -> None:
        """Deletes every row."""
        await self._call(self._stash.clear)

    async def subscribe(self, **options: Any) -> AsyncSubscription:
        """The events of `LiteStash.subscribe`, for `async for`."""
        return AsyncSubscription(await self._call(self._stash.subscribe, **options))

    async def stats(self) -> dict[str, Any]:
        """Figures about the stash."""
        return await self._call(self._stash.stats)

    async def close(self) -> None:
        """Closes the stash, behind what was handed over."""
        await self._lane().drained()
        await self._call(self._stash.close)

    async def __aenter__(self) -> AsyncLiteStash:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class AsyncSubscription:
    """Events for `async for`. Takes a thread of its own for as long as somebody waits."""

    def __init__(self, events: Subscription) -> None:
        self._events = events

    def __aiter__(self) -> AsyncSubscription:
        return self

    async def get(self, timeout: Seconds | None = None) -> Event | None:
        """The next event, or None after `timeout` or at the end."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Event | None] = loop.create_future()

        def tell(event: Event | None) -> None:
            if not answer.done():
                answer.set_result(event)

        def wait() -> None:
            event = self._events.get(timeout)
            try:
                loop.call_soon_threadsafe(tell, event)
            except RuntimeError:  # The loop was closed; nobody waits.
                pass

        threading.Thread(target=wait, name="litestash-wait", daemon=True).start()
        return await answer

    async def __anext__(self) -> Event:
        event = await self.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def close(self) -> None:
        """Ends the subscription."""
        await asyncio.get_running_loop().run_in_executor(None, self._events.close)

    async def __aenter__(self) -> AsyncSubscription:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
