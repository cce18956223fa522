"""Django's cache and sessions, after the tests of its own backends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings

if not settings.configured:
    settings.configure(SECRET_KEY="x" * 50, CACHES={}, USE_TZ=True, SESSION_ENGINE="litestash.plugs.django_session")
    django.setup()

from django.core.cache import CacheHandler
from django.test import override_settings

from litestash.plugs import django_session
from litestash.plugs.django_cache import LiteStashCache


@pytest.fixture
def caches(folder: Path) -> Iterator[CacheHandler]:
    backend = "litestash.plugs.django_cache.LiteStashCache"
    base = {"BACKEND": backend, "LOCATION": str(folder)}
    handler = CacheHandler(
        {
            "default": base,
            "prefix": base | {"KEY_PREFIX": "cacheprefix"},
            "v2": base | {"VERSION": 2},
            "bucket": base | {"OPTIONS": {"bucket": "pages", "MAX_ENTRIES": 5}, "TIMEOUT": 60},
        }
    )
    yield handler
    handler["default"].stash.close()


@pytest.fixture
def cache(caches: CacheHandler) -> Any:
    return caches["default"]


def test_simple(cache: Any) -> None:
    assert isinstance(cache, LiteStashCache)
    cache.set("key", "value")
    assert cache.get("key") == "value" and cache.get("no") is None and cache.get("no", "bang") == "bang"
    cache.set("none", None)
    assert cache.get("none", 5) is None and cache.has_key("none") and "none" in cache
    assert cache.add("add", 1) and not cache.add("add", 2) and cache.get("add") == 1
    assert cache.delete("add") and not cache.delete("add")
    cache.set_many({"a": 1, "b": {"x": [1]}})
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": {"x": [1]}}
    cache.delete_many(["a", "b"])
    assert cache.get_many(["a", "b"]) == {} and cache.set_many({}) == []
    assert cache.get_or_set("got", 7) == 7 == cache.get_or_set("got", lambda: 8)
    for value in ("ünïcode", b"binary", 2**40, 1.5, True, [1], {"a": None}):
        cache.set("value", value)
        assert cache.get("value") == value
    with pytest.raises(ValueError):
        cache.set("value", object())
    cache.clear()
    assert cache.get("key") is None


def test_numbers(cache: Any) -> None:
    cache.set("n", 41, 50)
    assert cache.incr("n") == 42 and cache.incr("n", 10) == 52 and cache.decr("n", -8) == 60 and cache.decr("n") == 59
    for method in (cache.incr, cache.decr):
        with pytest.raises(ValueError):
            method("no")
    cache.set("text", "x")
    with pytest.raises(TypeError):
        cache.incr("text")
    assert 0 < cache.stash.ttl(cache.make_key("n")) <= 50


def test_versions(caches: CacheHandler) -> None:
    cache, v2 = caches["default"], caches["v2"]
    cache.set("a", 1)
    cache.set("a", 2, version=2)
    assert cache.get("a") == 1 and cache.get("a", version=2) == 2 == v2.get("a") and caches["prefix"].get("a") is None
    assert cache.incr_version("a", 4) == 5 and cache.get("a", version=5) == 1 and cache.get("a") is None
    assert cache.decr_version("a", version=5) == 4
    with pytest.raises(ValueError):
        cache.incr_version("no")
    caches["bucket"].set("a", "bucket")
    assert cache.get("a", version=2) == 2 and caches["bucket"].get("a") == "bucket"
    assert caches["bucket"].stash.ttl(":1:a") <= 60


def test_timeouts(cache: Any) -> None:
    cache.set("short", 1, 0.02)
    cache.set("zero", 1, 0)
    cache.set("minus", 1, -1)
    cache.set("ever", 1, None)
    cache.set_many({"many": 1}, 0)
    time.sleep(0.05)
    assert cache.get_many(["short", "zero", "minus", "many"]) == {} and cache.get("ever") == 1
    assert cache.stash.ttl(":1:ever") is None
    cache.set("t", 1)
    assert cache.stash.ttl(":1:t") <= 300
    assert cache.touch("t", 1000) and cache.stash.ttl(":1:t") > 900 and not cache.touch("no")
    assert cache.touch("t", None) and cache.stash.ttl(":1:t") is None
    assert cache.touch("t", 0) and cache.get("t") is None
    assert cache.add("z", 1, 0) and cache.get("z") is None
    cache.set("over", 1)
    cache.set("over", 2, 0)
    assert cache.get("over") is None
    cache.close()
    assert cache.get("ever") == 1


def test_long_keys_warn_as_django_does(cache: Any) -> None:
    from django.core.cache import CacheKeyWarning

    with pytest.warns(CacheKeyWarning):
        cache.set("x" * 300, 1)
    with pytest.warns(CacheKeyWarning):
        cache.get("a b")


async def test_async(cache: Any) -> None:
    await cache.aset("a", 1)
    assert await cache.aget("a") == 1 and await cache.aget("b", 2) == 2 and await cache.ahas_key("a")
    assert await cache.aadd("b", 2) and not await cache.aadd("b", 3) and await cache.adelete("b")
    await cache.aset_many({"x": 1, "y": 2})
    assert await cache.aget_many(["x", "y", "z"]) == {"x": 1, "y": 2} and await cache.aincr("x") == 2
    await cache.aset("x", 1, 0)
    assert await cache.aget("x") is None and await cache.aget_or_set("o", 5) == 5
    await cache.aclear()
    assert await cache.aget("a") is None


@pytest.fixture
def sessions(folder: Path) -> Iterator[type[django_session.SessionStore]]:
    with override_settings(LITESTASH_SESSIONS={"LOCATION": str(folder)}):
        yield django_session.SessionStore
        django_session.SessionStore.stash().close()


def test_sessions(sessions: Any) -> None:
    from django.contrib.sessions.backends.base import UpdateError

    session = sessions()
    assert not session.modified and session.get("cat") is None
    session["cat"] = "dog"
    session.update({"n": 1})
    assert session.modified and session.pop("n") == 1
    session.save()
    assert session.exists(session.session_key) and not session.exists(None)
    assert sessions(session.session_key)["cat"] == "dog"
    old = session.session_key
    session.cycle_key()
    assert session.session_key != old and not session.exists(old) and sessions(session.session_key)["cat"] == "dog"
    key = session.session_key
    session.flush()
    assert not sessions().exists(key) and session.session_key is None
    invented = sessions("1")
    assert invented.get("cat") is None and invented.session_key is None
    created = sessions()
    created.create()
    assert created.session_key and sessions.stash().ttl("session:" + created.session_key) > 1_000_000
    other = sessions(created.session_key)
    other["x"] = 1
    created.delete()
    with pytest.raises(UpdateError):
        other.save()
    sessions.clear_expired()


async def test_sessions_async(sessions: Any) -> None:
    session = sessions()
    await session.aset("a", 1)
    await session.asave()
    assert await sessions(session.session_key).aget("a") == 1 and await session.aexists(session.session_key)
    await session.aflush()
    assert session.session_key is None
