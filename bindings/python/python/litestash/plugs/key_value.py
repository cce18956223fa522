"""py-key-value, the stores of FastMCP: `LiteStashStore(stash)`. A collection is a bucket."""

from __future__ import annotations

import os
from typing import Any

from key_value.aio._utils.managed_entry import ManagedEntry
from key_value.aio.stores.base import (
    BaseContextManagerStore,
    BaseCullStore,
    BaseDestroyCollectionStore,
    BaseDestroyStore,
    BaseEnumerateCollectionsStore,
    BaseEnumerateKeysStore,
)

from .. import AsyncLiteStash, LiteStash

_LIMIT = 10_000


class LiteStashStore(
    BaseCullStore,
    BaseDestroyStore,
    BaseDestroyCollectionStore,
    BaseEnumerateCollectionsStore,
    BaseEnumerateKeysStore,
    BaseContextManagerStore,
):
    """A store over a stash, or over the one in a directory."""

    def __init__(
        self, stash: LiteStash | str | os.PathLike[str], *, default_collection: str | None = None, **options: Any
    ) -> None:
        self._owned = not isinstance(stash, LiteStash)
        self.stash = stash if isinstance(stash, LiteStash) else LiteStash(stash, **options)
        super().__init__(default_collection=default_collection, stable_api=True, client_provided_by_user=not self._owned)

    def _collection(self, collection: str) -> AsyncLiteStash:
        return AsyncLiteStash.over(self.stash.bucket(collection))

    async def _get_managed_entry(self, *, collection: str, key: str) -> ManagedEntry | None:
        row = await self._collection(collection).get(key)
        return None if row is None else ManagedEntry(**row)

    async def _put_managed_entry(self, *, collection: str, key: str, managed_entry: ManagedEntry) -> None:
        row = {
            "value": dict(managed_entry.value),
            "created_at": managed_entry.created_at,
            "expires_at": managed_entry.expires_at,
        }
        await self._collection(collection).set(key, row, expires_at=managed_entry.expires_at)

    async def _delete_managed_entry(self, *, key: str, collection: str) -> bool:
        return await self._collection(collection).delete(key)

    async def _get_collection_keys(self, *, collection: str, limit: int | None = None) -> list[str]:
        keys = self._collection(collection).keys(limit=min(limit or _LIMIT, _LIMIT))
        return [str(key) async for key in keys]

    async def _get_collection_names(self, *, limit: int | None = None) -> list[str]:
        names = await AsyncLiteStash.over(self.stash)._call(self.stash.buckets)
        return names[: min(limit or _LIMIT, _LIMIT)]

    async def _delete_collection(self, *, collection: str) -> bool:
        return await AsyncLiteStash.over(self.stash)._call(self.stash.drop_bucket, collection)

    async def _delete_store(self) -> bool:
        for name in await self._get_collection_names():
            await self._delete_collection(collection=name)
        return True

    async def _cull(self) -> None:
        for name in await self._get_collection_names():
            await AsyncLiteStash.over(self.stash)._call(self.stash.bucket(name).sweep)

    async def _close(self) -> None:
        if self._owned:
            await AsyncLiteStash.over(self.stash).close()
