"""aiocache: `LiteStashCache("data")`, with the interface of its other caches."""

from __future__ import annotations

import os
from typing import Any

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

from .. import AsyncLiteStash, LiteStash, Op, RefusedError


class LiteStashCache(BaseCache):
    """A cache over a stash, or over the one in a directory. Values are stored as they are; a serializer is not needed."""

    NAME = "litestash"

    def __init__(
        self, stash: LiteStash | str | os.PathLike[str], serializer: Any = None, *, options: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(serializer=serializer or NullSerializer(), **kwargs)
        self._opened_with = None if isinstance(stash, LiteStash) else (stash, dict(options or {}))
        self._front = AsyncLiteStash.over(stash) if isinstance(stash, LiteStash) else self._open()

    def _open(self) -> AsyncLiteStash:
        assert self._opened_with is not None
        path, options = self._opened_with
        return AsyncLiteStash.over(LiteStash(path, **options))

    @property
    def stash(self) -> AsyncLiteStash:
        """The stash under it. `close` gives up what it holds, and a later operation opens it anew."""
        if self._opened_with is not None and self._front.sync.closed:
            self._front = self._open()
        return self._front

    async def _get(self, key: Any, encoding: Any = "utf-8", _conn: Any = None) -> Any:
        return await self.stash.get(key)

    _gets = _get

    async def _multi_get(self, keys: Any, encoding: Any = "utf-8", _conn: Any = None) -> list[Any]:
        found = await self.stash.get_many(keys)
        return [found.get(key) for key in keys]

    async def _set(self, key: Any, value: Any, ttl: Any = None, _cas_token: Any = None, _conn: Any = None) -> Any:
        if _cas_token is None:
            await self.stash.set(key, value, ttl=ttl or None)
            return True
        ops = [Op.expect(key, _cas_token), Op.set(key, value, ttl=ttl or None)]
        return int(await self._transaction(ops))

    async def _multi_set(self, pairs: Any, ttl: Any = None, _conn: Any = None) -> bool:
        await self.stash.set_many(pairs, ttl=ttl or None)
        return True

    async def _add(self, key: Any, value: Any, ttl: Any = None, _conn: Any = None) -> bool:
        if not await self.stash.add(key, value, ttl=ttl or None):
            raise ValueError("the key already exists, use .set to update the value")
        return True

    async def _exists(self, key: Any, _conn: Any = None) -> bool:
        return await self.stash.exists(key)

    async def _increment(self, key: Any, delta: Any, _conn: Any = None) -> Any:
        return await self.stash.incr(key, delta)

    async def _expire(self, key: Any, ttl: Any, _conn: Any = None) -> bool:
        if not ttl:
            return await self.stash.persist(key) or await self.stash.exists(key)
        return await self.stash.expire(key, ttl)

    async def _delete(self, key: Any, _conn: Any = None) -> int:
        return int(await self.stash.delete(key))

    async def _clear(self, namespace: Any = None, _conn: Any = None) -> bool:
        if not namespace:
            await self.stash.clear()
            return True
        keys = [key async for key in self.stash.keys(prefix=namespace)]
        for at in range(0, len(keys), 1000):
            await self.stash.delete_many(keys[at : at + 1000])
        return True

    async def _raw(self, command: str, *args: Any, encoding: Any = "utf-8", _conn: Any = None, **kwargs: Any) -> Any:
        return await getattr(self.stash, command)(*args, **kwargs)

    async def _redlock_release(self, key: Any, value: Any) -> int:
        return int(await self._transaction([Op.expect(key, value), Op.delete(key)]))

    async def _transaction(self, ops: list[Op]) -> bool:
        try:
            await self.stash.transaction(ops)
        except RefusedError:
            return False
        return True

    async def _close(self, *args: Any, _conn: Any = None, **kwargs: Any) -> None:
        # A stash that was handed in is its owner's to close.
        if self._opened_with is not None:
            await self._front.close()
