"""cachelib, and with it Flask-Session (`SESSION_TYPE = "cachelib"`, `SESSION_CACHELIB = LiteStashCache("data")`)."""

from __future__ import annotations

import datetime
import math
import os
from typing import Any

from cachelib.base import BaseCache

from .. import MISSING, LiteStash


class LiteStashCache(BaseCache):
    """A cache over a stash, or over the one in a directory. A time-out of 0 is for ever."""

    def __init__(
        self,
        stash: LiteStash | str | os.PathLike[str],
        default_timeout: int = 300,
        ignore_delete_many_errors: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(default_timeout)
        # Some versions have it: here deleting fails as a whole, or not at all.
        self.ignore_delete_many_errors = ignore_delete_many_errors
        self.stash = stash if isinstance(stash, LiteStash) else LiteStash(stash, **options)

    def _ttl(self, timeout: Any) -> float:
        if timeout is None:
            timeout = self.default_timeout
        if isinstance(timeout, datetime.timedelta):
            timeout = timeout.total_seconds()
        return math.inf if timeout == 0 else float(timeout)

    def get(self, key: str) -> Any:
        return self.stash.get(key)

    def get_many(self, *keys: str) -> list[Any]:
        found = self.stash.get_many(keys)
        return [found.get(key) for key in keys]

    def get_dict(self, *keys: str) -> dict[str, Any]:
        found = self.stash.get_many(keys)
        return {key: found.get(key) for key in keys}

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        ttl = self._ttl(timeout)
        if ttl < 0:
            self.stash.delete(key)
            return True
        return self.stash.set(key, value, ttl=ttl) is not None

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        ttl = self._ttl(timeout)
        return ttl > 0 and self.stash.add(key, value, ttl=ttl)

    def set_many(self, mapping: dict[str, Any], timeout: Any = None) -> list[Any]:
        self.stash.set_many(mapping, ttl=self._ttl(timeout))
        return list(mapping)

    def delete(self, key: str) -> bool:
        return self.stash.delete(key)

    def delete_many(self, *keys: str) -> list[Any]:
        # One that was not there counts as deleted.
        self.stash.delete_many(keys)
        return list(keys)

    def has(self, key: str) -> bool:
        return self.stash.get(key, MISSING) is not MISSING

    def clear(self) -> bool:
        self.stash.clear()
        return True

    def inc(self, key: str, delta: int = 1) -> int | None:
        return int(self.stash.incr(key, delta))

    def dec(self, key: str, delta: int = 1) -> int | None:
        return self.inc(key, -delta)
