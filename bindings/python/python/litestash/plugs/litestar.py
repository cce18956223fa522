"""Litestar: `Litestar(stores={"sessions": LiteStashStore(stash)})`."""

from __future__ import annotations

import datetime
import math
from types import TracebackType


from litestar.stores.base import NamespacedStore

from .. import AsyncLiteStash, LiteStash
from .._async import seconds

_SEPARATOR = "\x1f"


class LiteStashStore(NamespacedStore):
    """A store over a stash. A namespace is a prefix of its keys."""

    __slots__ = ("_async", "_closes", "namespace", "stash")

    def __init__(self, stash: LiteStash, *, namespace: str | None = None, closes: bool = False) -> None:
        self.stash = stash
        self.namespace = namespace
        self._async = AsyncLiteStash.over(stash)
        self._closes = closes

    def with_namespace(self, namespace: str) -> LiteStashStore:
        inner = namespace if self.namespace is None else f"{self.namespace}_{namespace}"
        return LiteStashStore(self.stash, namespace=inner)

    def _key(self, key: str) -> str:
        return key if self.namespace is None else f"{self.namespace}{_SEPARATOR}{key}"

    async def set(self, key: str, value: str | bytes, expires_in: int | datetime.timedelta | None = None) -> None:
        data = value.encode() if isinstance(value, str) else value
        await self._async.set(self._key(key), data, ttl=expires_in or math.inf)

    async def get(self, key: str, renew_for: int | datetime.timedelta | None = None) -> bytes | None:
        data: bytes | None = await self._async.get(self._key(key))
        if data is not None and renew_for:
            entry = await self._async.entry(self._key(key))
            if entry is not None and entry.expires_at is not None:
                await self._async.expire(self._key(key), renew_for)
        return data

    async def delete(self, key: str) -> None:
        await self._async.delete(self._key(key))

    async def delete_all(self) -> None:
        if self.namespace is None:
            await self._async.clear()
            return
        # Those of namespaces inside this one too.
        for separator in (_SEPARATOR, "_"):
            keys = [key async for key in self._async.keys(prefix=self.namespace + separator)]
            for at in range(0, len(keys), 1000):
                await self._async.delete_many(keys[at : at + 1000])

    async def exists(self, key: str) -> bool:
        return await self._async.exists(self._key(key))

    async def expires_in(self, key: str) -> int | None:
        entry = await self._async.entry(self._key(key))
        if entry is None or not isinstance(entry.expires_at, datetime.datetime):
            return None
        return max(0, int(seconds(entry.expires_at - datetime.datetime.now(datetime.timezone.utc))))

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._closes:
            await self._async.close()


