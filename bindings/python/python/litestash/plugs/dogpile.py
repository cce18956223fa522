"""dogpile.cache.

    import litestash.plugs.dogpile  # registers the backend
    region = make_region().configure("litestash", expiration_time=300, arguments={"path": "data", "distributed_lock": True})

Arguments: `path` or `stash`, `options` of `LiteStash`, `ttl` (seconds after which rows go for good), `distributed_lock`
(one process computes a value), `lock_timeout` (seconds after which the lock of a process that died is free, 60).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from dogpile.cache.api import NO_VALUE, CacheBackend, CachedValue, CacheMutex
from dogpile.cache import register_backend

from .. import LiteStash, Op, RefusedError
from ._shared import shared


class LiteStashBackend(CacheBackend):
    """A backend that stores values as they are, without pickle."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        stash = arguments.get("stash")
        self.stash: LiteStash = shared(arguments["path"], arguments.get("options", {})) if stash is None else stash
        self._ttl = arguments.get("ttl")
        self._has_lock = arguments.get("distributed_lock", False)
        self._lock_timeout = arguments.get("lock_timeout", 60)

    def get_mutex(self, key: str) -> CacheMutex | None:
        return _Mutex(self.stash, f"_lock:{key}", self._lock_timeout) if self._has_lock else None

    def get(self, key: str) -> Any:
        return _cached(self.stash.get(key, NO_VALUE))

    def get_multi(self, keys: Iterable[str]) -> list[Any]:
        keys = list(keys)
        found = self.stash.get_many(keys)
        return [_cached(found.get(key, NO_VALUE)) for key in keys]

    def set(self, key: str, value: Any) -> None:
        self.stash.set(key, _stored(value), ttl=self._ttl)

    def set_multi(self, mapping: Mapping[str, Any]) -> None:
        self.stash.set_many({key: _stored(value) for key, value in mapping.items()}, ttl=self._ttl)

    def delete(self, key: str) -> None:
        self.stash.delete(key)

    def delete_multi(self, keys: Iterable[str]) -> None:
        self.stash.delete_many(keys)


def _stored(value: Any) -> Any:
    """A value with its facts as a map of its own; what a serializer made, as it is."""
    return {"payload": value.payload, "metadata": value.metadata} if isinstance(value, CachedValue) else value


def _cached(stored: Any) -> Any:
    if isinstance(stored, dict) and stored.keys() == {"payload", "metadata"}:
        return CachedValue(stored["payload"], stored["metadata"])
    return stored


class _Mutex(CacheMutex):
    """A lock over all processes: a row with a token and a deadline."""

    def __init__(self, stash: LiteStash, key: str, timeout: float) -> None:
        self._stash = stash
        self._key = key
        self._timeout = timeout
        self._token = ""

    def acquire(self, wait: bool = True) -> bool:
        token = secrets.token_hex(16)
        pause = 0.001
        while not self._stash.add(self._key, token, ttl=self._timeout):
            if not wait:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        self._token = token
        return True

    def release(self) -> None:
        try:
            self._stash.transaction([Op.expect(self._key, self._token), Op.delete(self._key)])
        except RefusedError:
            pass  # It took longer than the time-out, and the lock is another's now.

    def locked(self) -> bool:
        return self._key in self._stash


register_backend("litestash", "litestash.plugs.dogpile", "LiteStashBackend")  # type: ignore[no-untyped-call]
