"""Django's cache.

    CACHES = {
        "default": {
            "BACKEND": "litestash.plugs.django_cache.LiteStashCache",
            "LOCATION": "/var/cache/site",
            "TIMEOUT": 300,
            "OPTIONS": {"max_bytes": 256 << 20, "eviction": "least_recently_used"},
        }
    }

OPTIONS are those of `LiteStash`, and `bucket`; limits are `max_rows` and `max_bytes`, and MAX_ENTRIES and CULL_FREQUENCY
have no effect. Values are what a stash holds, and responses (which is what Django's cache of pages stores; they come back
as `HttpResponse`). Nothing is pickled, so model instances and other objects are refused. Tuples come back as lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.http import HttpResponse

from .. import MISSING, AsyncLiteStash, Op, RefusedError
from ._shared import shared

_DJANGOS_OWN = ("MAX_ENTRIES", "CULL_FREQUENCY")

#: The one key of the map that a response is stored as.
_RESPONSE = "django.http.HttpResponse"


def _stored(value: Any) -> Any:
    """What is stored for a value."""
    if not isinstance(value, HttpResponse):
        return value
    cookies = [
        {"name": name, "value": one.value, "coded": one.coded_value, "with": {key: it for key, it in one.items() if it}}
        for name, one in value.cookies.items()
    ]
    parts = {
        "status": value.status_code,
        "reason": value._reason_phrase,
        "charset": value._charset,
        "headers": [[name, text] for name, text in value.headers.items()],
        "cookies": cookies,
        "content": value.content,
    }
    return {_RESPONSE: parts}


def _read(value: Any) -> Any:
    """The value of what is stored."""
    if type(value) is not dict or len(value) != 1 or _RESPONSE not in value:
        return value
    parts = value[_RESPONSE]
    response = HttpResponse(
        parts["content"], status=parts["status"], reason=parts["reason"], charset=parts["charset"], headers=dict(parts["headers"])
    )
    if not any(name.lower() == "content-type" for name, _ in parts["headers"]):
        del response["Content-Type"]
    for cookie in parts["cookies"]:
        response.cookies[cookie["name"]] = cookie["value"]
        morsel = response.cookies[cookie["name"]]
        morsel.set(cookie["name"], cookie["value"], cookie["coded"])
        morsel.update(cookie["with"])
    return response


class LiteStashCache(BaseCache):
    """A cache backend; `stash` is the stash under it."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {name: it for name, it in params.get("OPTIONS", {}).items() if name not in _DJANGOS_OWN}
        bucket = options.pop("bucket", None)
        self.stash = shared(location, options)
        if bucket is not None:
            self.stash = self.stash.bucket(bucket)
        self._async = AsyncLiteStash.over(self.stash)

    def _ttl(self, timeout: Any) -> float:
        """Seconds, for ever as infinity, 0 for what is not kept at all."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return math.inf if timeout is None else max(float(timeout), 0)

    def _key(self, key: Any, version: Any) -> str:
        return cast(str, self.make_and_validate_key(key, version=version))

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return _read(self.stash.get(self._key(key, version), default))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> None:
        made, ttl, value = self._key(key, version), self._ttl(timeout), _stored(value)
        if ttl == 0:
            # Refused here too where it could not be stored.
            Op.set(made, value)
            self.stash.delete(made)
        else:
            self.stash.set(made, value, ttl=ttl)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        made, ttl, value = self._key(key, version), self._ttl(timeout), _stored(value)
        if ttl == 0:
            Op.set(made, value)
            return made not in self.stash
        return self.stash.add(made, value, ttl=ttl)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        made, ttl = self._key(key, version), self._ttl(timeout)
        if ttl == 0:
            return self.stash.delete(made)
        if math.isinf(ttl):
            return self.stash.persist(made) or made in self.stash
        return self.stash.expire(made, ttl)

    def delete(self, key: Any, version: Any = None) -> bool:
        return self.stash.delete(self._key(key, version))

    def has_key(self, key: Any, version: Any = None) -> bool:
        return self._key(key, version) in self.stash

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        made = self._key(key, version)
        try:
            return int(self.stash.transaction([Op.check(made, present=True), Op.incr(made, delta)])[1])
        except RefusedError:
            raise ValueError("the key is not there") from None

    def get_many(self, keys: Iterable[Any], version: Any = None) -> dict[Any, Any]:
        made = {self._key(key, version): key for key in keys}
        return {made[key]: _read(value) for key, value in self.stash.get_many(made).items()}  # type: ignore[index]

    def set_many(self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> list[Any]:
        made, ttl = {self._key(key, version): _stored(value) for key, value in data.items()}, self._ttl(timeout)
        if ttl == 0:
            self.stash.delete_many(made)
        else:
            self.stash.set_many(made, ttl=ttl)
        return []

    def delete_many(self, keys: Iterable[Any], version: Any = None) -> None:
        self.stash.delete_many([self._key(key, version) for key in keys])

    def clear(self) -> None:
        self.stash.clear()

    def close(self, **kwargs: Any) -> None:
        """Called after each request; the stash stays open for the next."""

    # Those that a view awaits most; the others go through Django's threads.

    async def aget(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return _read(await self._async.get(self._key(key, version), default))

    async def aset(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> None:
        made, ttl, value = self._key(key, version), self._ttl(timeout), _stored(value)
        if ttl == 0:
            Op.set(made, value)
            await self._async.delete(made)
        else:
            await self._async.set(made, value, ttl=ttl)

    async def aadd(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        made, ttl, value = self._key(key, version), self._ttl(timeout), _stored(value)
        if ttl == 0:
            Op.set(made, value)
            return not await self._async.exists(made)
        return await self._async.add(made, value, ttl=ttl)

    async def adelete(self, key: Any, version: Any = None) -> bool:
        return await self._async.delete(self._key(key, version))

    async def ahas_key(self, key: Any, version: Any = None) -> bool:
        return await self._async.get(self._key(key, version), MISSING) is not MISSING

    async def aget_many(self, keys: Iterable[Any], version: Any = None) -> dict[Any, Any]:
        made = {self._key(key, version): key for key in keys}
        found = await self._async.get_many(made)
        return {made[key]: _read(value) for key, value in found.items()}  # type: ignore[index]
