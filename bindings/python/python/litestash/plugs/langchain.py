"""LangChain: `LiteStashStore(stash)` is a `BaseStore[str, Any]`, `LiteStashByteStore` a `ByteStore` for embeddings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Generic, TypeVar

from langchain_core.stores import BaseStore

from .. import AsyncLiteStash, LiteStash

_V = TypeVar("_V")


class _Store(BaseStore[str, _V], Generic[_V]):
    def __init__(self, stash: LiteStash, *, namespace: str = "", ttl: float | None = None) -> None:
        self.stash = stash
        self._async = AsyncLiteStash.over(stash)
        self._namespace = namespace
        self._ttl = ttl

    def _key(self, key: str) -> str:
        return self._namespace + key

    def _pairs(self, pairs: Sequence[tuple[str, _V]]) -> list[tuple[str, _V]]:
        return [(self._key(key), value) for key, value in pairs]

    def mget(self, keys: Sequence[str]) -> list[_V | None]:
        found = self.stash.get_many(map(self._key, keys))
        return [found.get(self._key(key)) for key in keys]

    async def amget(self, keys: Sequence[str]) -> list[_V | None]:
        found = await self._async.get_many(map(self._key, keys))
        return [found.get(self._key(key)) for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, _V]]) -> None:
        self.stash.set_many(self._pairs(key_value_pairs), ttl=self._ttl)

    async def amset(self, key_value_pairs: Sequence[tuple[str, _V]]) -> None:
        await self._async.set_many(self._pairs(key_value_pairs), ttl=self._ttl)

    def mdelete(self, keys: Sequence[str]) -> None:
        self.stash.delete_many(map(self._key, keys))

    async def amdelete(self, keys: Sequence[str]) -> None:
        await self._async.delete_many(map(self._key, keys))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        for key in self.stash.keys(prefix=self._key(prefix or "")):
            yield str(key)[len(self._namespace) :]

    # The original is an asynchronous generator too, of which only mypy knows.
    async def ayield_keys(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, prefix: str | None = None
    ) -> AsyncIterator[str]:
        async for key in self._async.keys(prefix=self._key(prefix or "")):
            yield str(key)[len(self._namespace) :]


class LiteStashStore(_Store[Any]):
    """Values are whatever a stash holds."""


class LiteStashByteStore(_Store[bytes]):
    """Values are bytes, as `CacheBackedEmbeddings` wants them."""
