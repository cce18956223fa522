"""The adapters, each with the real framework."""

from __future__ import annotations

import asyncio
import datetime
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from dogpile.testing.fixtures import _GenericBackendTestSuite, _GenericMutexTestSuite
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from helpers import some
from langchain_tests.integration_tests import BaseStoreAsyncTests, BaseStoreSyncTests

from litestar import Litestar, get
from litestar import Request as LitestarRequest
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.testing import TestClient as LitestarClient

import litestash.plugs.dogpile
from litestash import LiteStash
from litestash.plugs import aiocache as aiocache_plug
from litestash.plugs import cachelib as cachelib_plug
from litestash.plugs import key_value, langchain, litestar, starlette

assert litestash.plugs.dogpile


# cachelib, Flask-Caching and Flask-Session


def test_cachelib(folder: Path) -> None:
    cache = cachelib_plug.LiteStashCache(folder, default_timeout=60)
    assert cache.set("a", 1) and cache.get("a") == 1 and cache.get("b") is None
    assert not cache.add("a", 2) and cache.add("b", {"x": [1]}) and cache.get_many("a", "no", "b") == [1, None, {"x": [1]}]
    assert cache.get_dict("a", "no") == {"a": 1, "no": None}
    assert cache.set_many({"c": 3, "d": 4}) == ["c", "d"] and cache.delete_many("c", "no") == ["c", "no"]
    assert cache.has("d") and not cache.has("c") and cache.delete("d") and not cache.delete("d")
    assert cache.inc("n", 2) == 2 and cache.dec("n") == 1
    cache.set("t", 1, timeout=datetime.timedelta(seconds=5))
    cache.set("ever", 1, timeout=0)
    assert some(cache.stash.ttl("t")) <= 5 and cache.stash.ttl("ever") is None and some(cache.stash.ttl("a")) <= 60
    cache.set("short", 1, timeout=0.02)
    time.sleep(0.05)
    assert cache.get("short") is None and cache.clear() and not cache.has("a")
    cache.stash.close()


def test_flask_caching_and_flask_session(folder: Path) -> None:
    import flask
    import flask_caching
    import flask_session

    app = flask.Flask("app")
    app.config |= {
        "CACHE_TYPE": "litestash.plugs.flask_caching.LiteStashCache",
        "CACHE_DIR": str(folder),
        "CACHE_DEFAULT_TIMEOUT": 50,
        "CACHE_OPTIONS": {"max_bytes": 64 << 20, "eviction": "least_recently_used"},
        "SESSION_TYPE": "cachelib",
        "SESSION_CACHELIB": cachelib_plug.LiteStashCache(folder / "sessions"),
    }
    cache = flask_caching.Cache(app)
    flask_session.Session(app)
    calls: list[int] = []

    @app.get("/<int:n>")
    @cache.cached()
    def page(n: int) -> str:
        calls.append(n)
        return str(n)

    @app.get("/count")
    def count() -> str:
        flask.session["n"] = flask.session.get("n", 0) + 1
        return str(flask.session["n"])

    @cache.memoize(5)
    def memoized(a: int) -> int:
        calls.append(a)
        return a

    with app.app_context():
        assert memoized(7) == memoized(7) == 7
        cache.delete_memoized(memoized)
        assert memoized(7) == 7
    client = app.test_client()
    assert client.get("/1").text == client.get("/1").text == "1" and calls == [7, 7, 1]
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    made: Any = cache.cache
    made.stash.close()
    app.config["SESSION_CACHELIB"].stash.close()


# aiocache


async def test_aiocache(folder: Path) -> None:
    from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock

    cache = aiocache_plug.LiteStashCache(folder, namespace="ns:")
    await cache.set("a", {"x": 1}, ttl=60)
    assert await cache.get("a") == {"x": 1} and await cache.get("b", default=5) == 5
    with pytest.raises(ValueError):
        await cache.add("a", 1)
    assert await cache.add("b", 1) and await cache.exists("b")
    await cache.multi_set([("c", 3), ("d", 4)])
    assert await cache.multi_get(["c", "no", "d"]) == [3, None, 4]
    assert await cache.increment("n", 2) == 2 and await cache.increment("n", -1) == 1
    with pytest.raises(TypeError):
        await cache.increment("a")
    assert await cache.expire("n", 60) and await cache.expire("n", 0) and not await cache.expire("no", 5)
    assert await cache.delete("n") == 1 and await cache.delete("n") == 0
    async with OptimisticLock(cache, "c") as lock:
        await lock.cas(30)
    with pytest.raises(OptimisticLockError):
        async with OptimisticLock(cache, "c") as lock:
            await cache.set("c", 5)
            await lock.cas(6)
    held: list[int] = []

    async def locked(n: int) -> None:
        async with RedLock(cache, "lock", lease=5):
            held.append(n)
            await asyncio.sleep(0.005)

    await asyncio.gather(*(locked(n) for n in range(3)))
    assert len(held) == 3
    await cache.stash.set("other", 1)
    await cache.clear(namespace="ns:")
    assert not await cache.exists("a") and await cache.stash.get("other") == 1
    assert await cache.raw("get", "other") == 1
    await cache.close()


# dogpile.cache, with its own contract tests


class _Dogpile:
    backend = "litestash"
    config_args: dict[str, Any]

    @classmethod
    def setup_class(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()  # type: ignore[attr-defined]
        cls.stash = LiteStash(cls.folder.name)  # type: ignore[attr-defined]
        cls.config_args = {"arguments": {"stash": cls.stash, "distributed_lock": True}}  # type: ignore[attr-defined]
        super().setup_class()  # type: ignore[misc]

    @classmethod
    def teardown_class(cls) -> None:
        cls.stash.close()  # type: ignore[attr-defined]
        cls.folder.cleanup()  # type: ignore[attr-defined]


class TestDogpileBackend(_Dogpile, _GenericBackendTestSuite):
    pass


class TestDogpileMutex(_Dogpile, _GenericMutexTestSuite):
    pass


# LangChain, with its own contract tests


class TestLangChain(BaseStoreSyncTests[Any]):
    @pytest.fixture
    def kv_store(self, stash: LiteStash) -> Any:
        return langchain.LiteStashStore(stash, namespace="ns:")

    @pytest.fixture
    def three_values(self) -> Any:
        return "foo", {"x": [1]}, b"buzz"


class TestLangChainAsync(BaseStoreAsyncTests[Any]):
    @pytest.fixture
    async def kv_store(self, stash: LiteStash) -> Any:
        return langchain.LiteStashByteStore(stash)

    @pytest.fixture
    def three_values(self) -> Any:
        return b"foo", b"bar", b"buzz"


# Litestar


async def test_litestar_store(stash: LiteStash) -> None:
    store = litestar.LiteStashStore(stash)
    await store.set("a", "text")
    await store.set("b", b"bytes", expires_in=60)
    assert await store.get("a") == b"text" and await store.get("b") == b"bytes" and await store.get("c") is None
    assert await store.expires_in("a") is None and 58 <= (await store.expires_in("b") or 0) <= 60
    assert await store.exists("a") and not await store.exists("c")
    await store.get("b", renew_for=datetime.timedelta(seconds=100))
    await store.get("a", renew_for=100)
    assert (await store.expires_in("b") or 0) > 90 and await store.expires_in("a") is None
    await store.delete("a")
    await store.delete("a")
    one, two = store.with_namespace("one"), store.with_namespace("two")
    inner = one.with_namespace("inner")
    for each in (one, two, inner):
        await each.set("k", each.namespace or "")
    assert await one.get("k") == b"one" and await store.get("k") is None
    await one.delete_all()
    assert await one.get("k") is None and await inner.get("k") is None and await two.get("k") == b"two"
    await store.delete_all()
    assert await two.get("k") is None


def test_litestar_sessions(stash: LiteStash) -> None:
    @get("/")
    async def count(request: LitestarRequest[Any, Any, Any]) -> int:
        request.session["n"] = request.session.get("n", 0) + 1
        return int(request.session["n"])

    app = Litestar(
        [count], middleware=[ServerSideSessionConfig().middleware], stores={"sessions": litestar.LiteStashStore(stash)}
    )
    with LitestarClient(app) as client:
        assert [client.get("/").json() for _ in range(3)] == [1, 2, 3]
    assert len(stash) == 1


# py-key-value


@pytest_asyncio.fixture
async def kv(folder: Path) -> AsyncIterator[key_value.LiteStashStore]:
    async with key_value.LiteStashStore(folder) as store:
        yield store


async def test_py_key_value(kv: key_value.LiteStashStore) -> None:
    await kv.put("a", {"x": 1}, collection="one")
    await kv.put("b", {"y": [1, {"z": None}]}, collection="one", ttl=60)
    assert await kv.get("a", collection="one") == {"x": 1} and await kv.get("a", collection="two") is None
    value, ttl = await kv.ttl("b", collection="one")
    assert value == {"y": [1, {"z": None}]} and ttl is not None and 55 < ttl <= 60
    assert await kv.ttl("a", collection="one") == ({"x": 1}, None) and await kv.ttl("c") == (None, None)
    await kv.put_many(["c", "d"], [{"n": 1}, {"n": 2}], collection="two")
    assert await kv.get_many(["c", "no", "d"], collection="two") == [{"n": 1}, None, {"n": 2}]
    assert await kv.delete("c", collection="two") and not await kv.delete("c", collection="two")
    assert await kv.delete_many(["d", "no"], collection="two") == 1
    await kv.put("default", {"a": 1})
    assert await kv.get("default") == {"a": 1}
    assert sorted(await kv.keys(collection="one")) == ["a", "b"] and "one" in await kv.collections()
    await kv.put("short", {"a": 1}, ttl=0.02)
    await asyncio.sleep(0.05)
    assert await kv.get("short") is None
    await kv.cull()
    assert await kv.destroy_collection("one") and await kv.get("a", collection="one") is None
    assert await kv.destroy() and await kv.collections() == []


# Starlette and FastAPI


def test_sessions_of_starlette_and_fastapi(stash: LiteStash) -> None:
    app = FastAPI()
    app.add_middleware(starlette.StashSessions, stash=stash, max_age=60)

    @app.get("/count")
    async def count(request: Request) -> int:
        request.session["n"] = request.session.get("n", 0) + 1
        return int(request.session["n"])

    @app.get("/end")
    async def end(request: Request) -> None:
        request.session.clear()

    @app.get("/nothing")
    async def nothing(request: Request) -> int:
        return len(request.session)

    with TestClient(app) as client:
        assert "set-cookie" not in client.get("/nothing").headers and not stash
        assert [client.get("/count").json() for _ in range(3)] == [1, 2, 3]
        (key,) = stash
        assert stash[key] == {"n": 3} and 50 < some(stash.ttl(key)) <= 60 and key == "session:" + client.cookies["session"]
        client.get("/end")
        assert not stash and client.get("/count").json() == 1
    with TestClient(app, cookies={"session": "made-up"}) as client:
        client.get("/count")
        assert "session:made-up" not in stash
