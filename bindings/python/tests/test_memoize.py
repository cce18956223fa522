"""Memoized functions."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import threading
import time
from typing import Any

import pytest
from helpers import some

from litestash import LiteStash, LiteStashError


def test_calls_are_told_apart_by_arguments_and_their_types(stash: LiteStash) -> None:
    calls: list[Any] = []

    @stash.memoize
    def function(*args: Any, **kwargs: Any) -> int:
        calls.append((args, kwargs))
        return len(calls)

    @dataclasses.dataclass
    class One:
        a: int

    @dataclasses.dataclass
    class Two:
        a: int

    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    variants: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}), ((1,), {}), ((1.0,), {}), ((True,), {}), (("1",), {}), ((b"1",), {}), ((None,), {}), ((1, 2), {}),
        (((1, 2),), {}), (([1, 2],), {}), (({1, 2},), {}), ((frozenset({1, 2}),), {}), (({"a": 1},), {}), ((), {"a": 1}),
        ((), {"b": 1}), (("a", 1), {}), ((2**70,), {}), ((str(2**70),), {}), ((One(1),), {}), ((Two(1),), {}),
        ((now,), {}), ((now.isoformat(),), {}), ((int,), {}), (("builtins.int",), {}), (("x" * 5000,), {}),
        (("x" * 5001,), {}), ((("a",), "b"), {}), ((("a", "b"),), {}),
    ]  # fmt: skip
    first = [function(*args, **kwargs) for args, kwargs in variants]
    assert first == list(range(1, len(variants) + 1))
    assert [function(*args, **kwargs) for args, kwargs in variants] == first
    assert len({function.cache_key(*args, **kwargs) for args, kwargs in variants}) == len(variants)
    with pytest.raises(LiteStashError, match="cannot be told"):
        function(object())


def test_spelling_does_not_matter_and_none_is_kept(stash: LiteStash) -> None:
    calls = []

    @stash.memoize(ttl=60)
    def function(a: int, b: int = 2, *, c: int = 3) -> None:
        """Its text."""
        calls.append(a)

    for _ in range(2):
        assert function(1) is None and function(1, 2) is None and function(a=1, c=3) is None and function(b=2, a=1) is None
    assert calls == [1] and callable(function.__wrapped__) and function.__doc__ == "Its text." and function.__name__ == "function"
    assert some(stash.ttl(function.cache_key(1))) <= 60
    assert function.invalidate(1) and not function.invalidate(1)
    function(1)
    assert calls == [1, 1]
    with pytest.raises(TypeError):
        function()  # type: ignore[call-arg]


def test_functions_of_the_same_name_do_not_meet(stash: LiteStash) -> None:
    def make(module: str, result: int) -> Any:
        def function(n: int) -> int:
            return result

        function.__module__ = module
        return stash.memoize(function)

    assert make("one", 1)(5) == 1 and make("two", 2)(5) == 2


def test_methods_and_classmethods(stash: LiteStash) -> None:
    calls: list[Any] = []

    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        def __cache_key__(self) -> str:
            return self.name

        @stash.memoize
        def price(self, item: str) -> str:
            calls.append(item)
            return f"{self.name}:{item}"

        @stash.memoize
        @classmethod
        def of(cls, name: str) -> str:
            calls.append(name)
            return f"{cls.__name__}:{name}"

        @classmethod
        @stash.memoize
        def inner(cls, name: str) -> str:
            return f"{cls.__name__}:{name}"

        @stash.memoize
        @staticmethod
        def add(a: int, b: int) -> int:
            calls.append(a)
            return a + b

    class Market(Shop):
        pass

    for _ in range(2):
        assert Shop("a").price("x") == "a:x" and Shop("b").price("x") == "b:x"
        assert Shop.of("x") == "Shop:x" and Market.of("x") == "Market:x" and Market.inner("x") == "Market:x"
        assert Shop.add(1, 2) == 3
    assert len(calls) == 5


def test_key_condition_and_type(stash: LiteStash) -> None:
    calls = []

    @dataclasses.dataclass
    class Point:
        x: int

    @stash.memoize(key=lambda n: f"point:{n}", condition=lambda n: n > 0, type=Point)
    def point(n: int) -> Point:
        calls.append(n)
        return Point(n)

    assert point(1) == Point(1) == point(1) and stash["point:1"] == {"x": 1}
    assert point(-1) == Point(-1) == point(-1) and calls == [1, -1, -1]

    @stash.memoize(condition="caching")
    def switched(n: int) -> int:
        calls.append(n)
        return n

    assert (switched(5), switched(5)) == (5, 5)
    stash["caching"] = False
    assert (switched(5), switched(5)) == (5, 5)
    assert calls[3:] == [5, 5, 5]


def test_one_computation_however_many_threads_ask(stash: LiteStash) -> None:
    calls: list[int] = []
    barrier = threading.Barrier(8)

    @stash.memoize
    def slow(n: int) -> int:
        calls.append(n)
        time.sleep(0.1)
        return n * 2

    results: list[int] = []

    def ask() -> None:
        barrier.wait()
        results.append(slow(4))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [4] and results == [8] * 8


def test_failures_are_raised_as_they_are_and_not_kept(stash: LiteStash) -> None:
    calls = []

    @stash.memoize
    def fail(n: int) -> int:
        calls.append(n)
        if len(calls) < 3:
            raise ZeroDivisionError("as it was")
        return n

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="as it was"):
            fail(1)
    assert fail(1) == 1 and len(calls) == 3

    @stash.memoize
    def recursive(n: int) -> int:
        return 1 if n < 2 else recursive(n - 1) + recursive(n - 2)

    assert recursive(20) == 10946

    @stash.memoize
    def endless(n: int) -> int:
        return int(endless(n))

    with pytest.raises(LiteStashError) as own:
        endless(1)
    assert own.value.kind in ("InvalidArgument", "ComputeFailed")


def test_stale_results_are_given_while_one_computes(stash: LiteStash) -> None:
    calls: list[int] = []
    go = threading.Event()

    @stash.memoize(ttl=0.05, stale_while_revalidate=60)
    def counted() -> int:
        calls.append(1)
        if len(calls) == 2:
            go.wait(20)
        return len(calls)

    assert counted() == 1
    time.sleep(0.1)
    thread = threading.Thread(target=counted)
    thread.start()
    while len(calls) < 2:
        time.sleep(0.001)
    assert counted() == 1
    go.set()
    thread.join()
    assert len(calls) == 2 and stash.get(counted.cache_key()) == 2


async def test_async_functions(stash: LiteStash) -> None:
    calls: list[int] = []

    @stash.memoize(ttl=60)
    async def slow(n: int) -> Any:
        """Text."""
        calls.append(n)
        await asyncio.sleep(0.02)
        return None if n == 0 else (n,)

    assert await asyncio.gather(*(slow(3) for _ in range(50))) == [[3]] * 50
    assert calls == [3] and slow.__name__ == "slow" and asyncio.iscoroutinefunction(slow.__wrapped__)
    assert await slow(0) is None and await slow(0) is None and calls == [3, 0]
    assert slow.invalidate(0)

    @stash.memoize
    async def fail() -> None:
        calls.append(-1)
        raise ZeroDivisionError

    results = await asyncio.gather(*(fail() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, ZeroDivisionError) for result in results) and calls.count(-1) == 1

    @stash.memoize(ttl=0.03, stale_while_revalidate=60)
    async def stale() -> int:
        calls.append(7)
        await asyncio.sleep(0.01)
        return calls.count(7)

    assert await stale() == 1
    await asyncio.sleep(0.06)
    assert await stale() == 1
    await asyncio.sleep(0.05)
    assert stash.get(stale.cache_key()) == 2


async def test_a_cancelled_caller_does_not_take_the_value_from_others(stash: LiteStash) -> None:
    started, go = asyncio.Event(), asyncio.Event()

    @stash.memoize
    async def slow() -> int:
        started.set()
        await go.wait()
        return 5

    first, second = asyncio.create_task(slow()), asyncio.create_task(slow())
    await started.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert await second == 5
