"""The store for asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from helpers import some

from litestash import MISSING, AsyncLiteStash, LiteStash, LiteStashError, Op, RefusedError


@pytest_asyncio.fixture
async def front(folder: Path) -> AsyncIterator[AsyncLiteStash]:
    async with AsyncLiteStash(folder) as front:
        yield front


async def test_operations(front: AsyncLiteStash) -> None:
    assert await front.set("a", 1) and await front.get("a") == 1 and await front.get("b", 5) == 5
    assert await front.add("a", 2) is False and await front.replace("a", {"x": 1}, ttl=60)
    assert await front.exists("a") and not await front.exists("b")
    assert some(await front.entry("a")).value == {"x": 1} and await front.entry("b") is None
    assert await front.incr("n", 2) == 2 and await front.decr("n") == 1 and await front.incr("f", 0.5) == 0.5
    assert await front.compare_and_set("n", 1, 5) and not await front.compare_and_set("n", 1, 6)
    assert await front.compare_and_set("new", MISSING, None) and await front.get("new", 7) is None
    assert await front.expire("n", 60) and await front.persist("n") and await front.touch("n")
    assert await front.take("n") == 5 and await front.take("n", 0) == 0 and await front.delete("a")
    await front.set_many({str(n): n for n in range(600)})
    assert await front.get_many(["1", "2", "no"]) == {"1": 1, "2": 2} and await front.delete_many(["1"]) == [True]
    assert len([key async for key in front]) == await front.len() == 601
    assert sorted([key async for key, value in front.items(prefix="59") if value]) == ["59", *map(str, range(590, 600))]
    assert [value async for value in front.values(limit=1)]
    assert await front.transaction([Op.incr("t"), Op.incr("t")]) == [1, 2]
    with pytest.raises(RefusedError):
        await front.transaction([Op.check("t", absent=True)])
    assert (await front.stats())["rows"] == 602
    await front.bucket("b").set("x", 1)
    assert front.sync.bucket("b")["x"] == 1
    await front.clear()
    assert await front.len() == 0


async def test_calls_of_a_turn_go_together_and_in_order(front: AsyncLiteStash) -> None:
    await asyncio.gather(*(front.set("same", n) for n in range(5000)))
    assert await front.get("same") == 4999
    tasks = []
    for n in range(100):
        tasks.append(asyncio.ensure_future(front.set("same", n)))
        await asyncio.sleep(0)
        # What is called after a write sees it.
        assert await front.get("same") == n
    await asyncio.gather(*tasks)
    before = threading.active_count()
    await asyncio.gather(*(front.incr("n") for _ in range(5000)))
    assert await front.get("n") == 5000 and threading.active_count() <= before + 4


async def test_hot_gets_need_no_thread(front: AsyncLiteStash) -> None:
    await front.set("hot", 1)
    await front.get("hot")
    coroutine = front.get("hot")
    # Done at the first step, without the loop.
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == 1


async def test_failures_reach_their_own_caller(front: AsyncLiteStash) -> None:
    await front.set("text", "x")
    failed: Any
    fine: Any
    failed, fine = await asyncio.gather(front.incr("text"), front.incr("n"), return_exceptions=True)
    assert isinstance(failed, TypeError) and fine == 1
    with pytest.raises(ValueError):
        await front.set("a", object())
    task = asyncio.ensure_future(front.set("cancelled", 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await front.close()
    with pytest.raises(LiteStashError) as closed:
        await front.set("a", 1)
    assert closed.value.kind == "Closed"


async def test_computations_and_events(front: AsyncLiteStash) -> None:
    calls = []

    async def compute() -> int:
        calls.append(1)
        await asyncio.sleep(0.01)
        return 5

    assert await asyncio.gather(*(front.get_or_set("k", compute) for _ in range(3))) == [5, 5, 5]
    assert await front.get_or_set("k", compute) == 5
    async with await front.subscribe(prefix="e") as events:
        await front.set("e1", 1)
        event = await events.get(timeout=10)
        assert event is not None and event.key == "e1"
        assert await events.get(timeout=0.01) is None


def test_several_loops_use_one_stash(folder: Path) -> None:
    front = AsyncLiteStash(folder)

    async def work(name: str) -> None:
        await asyncio.gather(*(front.incr("n") for _ in range(100)))
        await front.set(name, 1)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(work(str(n)))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(front.get("n")) == 400
    asyncio.run(front.close())
    assert isinstance(front.sync, LiteStash) and front.sync.closed
