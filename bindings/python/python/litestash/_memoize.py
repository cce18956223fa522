"""`@stash.memoize`."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from . import _async, _typed
from ._errors import ComputeFailedError, InvalidArgumentError
from ._litestash import Stash
from ._missing import MISSING

if TYPE_CHECKING:
    from ._stash import LiteStash
    from ._typing import Key, Seconds

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)
_R2 = TypeVar("_R2")


class Memoized(Protocol[_P, _R]):
    """A decorated function."""

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...

    def __get__(self, instance: Any, owner: Any = None) -> Callable[..., _R]: ...

    def cache_key(self, *args: Any, **kwargs: Any) -> Key:
        """The key of a call in the stash."""
        ...

    def invalidate(self, *args: Any, **kwargs: Any) -> bool:
        """Forgets the result of a call. Returns whether there was one."""
        ...


class Decorator(Protocol):
    """What `memoize` with options returns."""

    def __call__(self, function: Callable[_P, _R2]) -> Memoized[_P, _R2]: ...


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Memoize:
    """The decorator with its options."""

    def __init__(
        self,
        stash: LiteStash,
        ttl: Seconds | None,
        key: Callable[..., Key] | None,
        condition: str | Callable[..., Any] | None,
        stale: Seconds | None,
        type: Any,
    ) -> None:
        if stale is not None and ttl is None:
            raise InvalidArgumentError("stale_while_revalidate takes a time to live")
        self.stash = stash
        self.ttl = ttl
        self.key = key
        self.condition = condition
        self.stale = stale
        self.load = None if type is None else _typed.loader(type)

    def __call__(self, function: Any) -> Any:
        if isinstance(function, (classmethod, staticmethod)):
            # The call goes through the outer descriptor, the class is an argument like any other.
            return type(function)(self(function.__func__))
        if not callable(function):
            raise TypeError("memoize decorates functions")
        make = _async_wrapper if inspect.iscoroutinefunction(function) else _wrapper
        return make(self, function)

    def holds(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether this call is to be kept."""
        if self.condition is None:
            return True
        if callable(self.condition):
            return bool(self.condition(*args, **kwargs))
        return bool(self.stash.get(self.condition, True))

    def loaded(self, value: Any) -> Any:
        return value if self.load is None else self.load(value)


class _Calls:
    """How calls of one function become keys."""

    def __init__(self, memoize: Memoize, function: Callable[..., Any]) -> None:
        self.memoize = memoize
        self.prefix = f"{function.__module__}.{function.__qualname__}".encode() + b"\0"
        self.signature = inspect.signature(function)
        parameters = self.signature.parameters.values()
        # With exactly these arguments, by position, nothing has to be bound.
        self.plain = len(parameters) if all(one.kind in _POSITIONAL for one in parameters) else -1

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same arguments however the call spells them."""
        if not kwargs and len(args) == self.plain:
            return args, kwargs
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
        if self.memoize.key is not None:
            return self.memoize.key(*args, **kwargs)
        args, kwargs = self.bound(args, kwargs)
        return Stash._memo_key(self.prefix, args, kwargs)

    def attach(self, wrapper: Any, function: Callable[..., Any]) -> Any:
        functools.update_wrapper(wrapper, function)
        stash = self.memoize.stash

        def cache_key(*args: Any, **kwargs: Any) -> Key:
            """The key of a call in the stash."""
            return self.key(args, kwargs)

        def invalidate(*args: Any, **kwargs: Any) -> bool:
            """Forgets the result of a call. Returns whether there was one."""
            return stash.delete(self.key(args, kwargs))

        wrapper.cache_key = cache_key
        wrapper.invalidate = invalidate
        return wrapper


def _wrapper(memoize: Memoize, function: Callable[..., Any]) -> Any:
    calls = _Calls(memoize, function)
    stash, prefix, plain = memoize.stash, calls.prefix, calls.plain
    # The way of a hit: one call into the native part.
    is_plain = memoize.key is None and memoize.condition is None and memoize.stale is None and memoize.load is None
    quick = plain if is_plain else -1
    find = stash._memo_get

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if len(args) == quick and not kwargs:
            found = find(prefix, args, MISSING)
            if found is not MISSING:
                return found
        if not memoize.holds(args, kwargs):
            return function(*args, **kwargs)
        value = stash.get_or_set(
            calls.key(args, kwargs),
            lambda: function(*args, **kwargs),
            ttl=memoize.ttl,
            stale_while_revalidate=memoize.stale,
        )
        return memoize.loaded(value)

    return calls.attach(wrapper, function)


def _async_wrapper(memoize: Memoize, function: Callable[..., Any]) -> Any:
    """One computation for each key in an event loop; other loops and processes compute for themselves."""
    calls = _Calls(memoize, function)
    flights: dict[tuple[asyncio.AbstractEventLoop, Key], asyncio.Future[Any]] = {}
    front = _async.AsyncLiteStash.over(memoize.stash)

    async def compute(key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        value = await function(*args, **kwargs)
        ttl = memoize.ttl
        if memoize.stale is not None and ttl is not None:
            ttl = _async.seconds(ttl) + _async.seconds(memoize.stale)
        await front.set(key, value, ttl=ttl)
        # As it will be read next time.
        return await front.get(key, value)

    async def flight(key: Key, args: tuple[Any, ...], kwargs: dict[str, Any], stale: Any) -> Any:
        loop = asyncio.get_running_loop()
        running = flights.get((loop, key))
        if running is None:
            # A task of its own: whoever asked first may be cancelled, the others still want the value.
            running = loop.create_task(compute(key, args, kwargs))
            flights[loop, key] = running
            running.add_done_callback(lambda _: flights.pop((loop, key), None))
            running.add_done_callback(_seen)
        if stale is not MISSING:
            return stale
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if running.cancelled():
                raise ComputeFailedError("the computation of the value was cancelled") from None
            raise

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not memoize.holds(args, kwargs):
            return await function(*args, **kwargs)
        key = calls.key(args, kwargs)
        stale = MISSING
        if memoize.stale is None:
            value = await front.get(key, MISSING)
            if value is not MISSING:
                return memoize.loaded(value)
        else:
            entry = await front.entry(key)
            if entry is not None:
                left = None if entry.expires_at is None else _async.left(entry.expires_at)
                if left is None or left > _async.seconds(memoize.stale):
                    return memoize.loaded(entry.value)
                stale = entry.value
        return memoize.loaded(await flight(key, args, kwargs, stale))

    return calls.attach(wrapper, function)


def _seen(done: asyncio.Future[Any]) -> None:
    """A failure that nobody waits for any more is no news."""
    if not done.cancelled():
        done.exception()
