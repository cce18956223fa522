"""What type checkers must accept of the package, and what they must refuse (`warn_unused_ignores` is on)."""

from __future__ import annotations

import datetime
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from litestash import MISSING, AsyncLiteStash, Entry, Event, LiteStash, Op, Subscriber, Transaction


@dataclass
class User:
    name: str


def mapping(stash: LiteStash) -> MutableMapping[str | int | float | bytes, Any]:
    stash["a"] = 1
    stash |= {"b": 2}
    stash[None] = 1  # type: ignore[index]
    count: int = len(stash)
    found: bool = "a" in stash
    keys: list[str | int | float | bytes] = list(stash.keys(prefix="a"))
    print(count, found, keys)
    return stash


def typed(stash: LiteStash) -> None:
    user: User | None = stash.get("u", type=User)
    other: User | int = stash.get("u", 5, type=User)
    wrong: int | None = stash.get("u", type=User)  # type: ignore[assignment]
    view = stash.typed(User)
    one: User = view["u"]
    print(user, other, wrong, one)


def operations(stash: LiteStash) -> None:
    version: int | None = stash.set("a", 1, ttl=datetime.timedelta(hours=1), if_absent=True)
    entry: Entry | None = stash.entry("a")
    left: float | None = stash.ttl("a")
    computed: int = stash.get_or_set("b", lambda: 5, ttl=60)
    results: list[Any] = stash.apply([Op.get("a"), Op.incr("b", 2)])
    stash.set("a", 1, ttl="soon")  # type: ignore[arg-type]
    assert stash.compare_and_set("a", MISSING, 1) in (True, False)
    with stash.transact() as transaction:
        block: Transaction = transaction
        block["a"] = block.get("a", 0) + 1
    number: int = stash.in_transaction(lambda txn: txn.incr("n"))
    print(version, entry, left, computed, results, number)


def events(stash: LiteStash) -> None:
    def heard(event: Event) -> None:
        print(event.kind, event.key)

    subscriber: Subscriber = stash.subscribe(heard, kinds=["set"])
    with stash.subscribe() as subscription:
        event: Event | None = subscription.get(timeout=1)
        print(event)
    subscriber.close()


def memoized(stash: LiteStash) -> None:
    @stash.memoize(ttl=60)
    def square(n: int) -> int:
        return n * n

    @stash.memoize
    def plain(n: int) -> str:
        return str(n)

    result: int = square(5)
    text: str = plain(5)
    square("x")  # type: ignore[arg-type]
    square.invalidate(5)
    key: str | int | float | bytes = plain.cache_key(5)
    print(result, text, key)


async def asynchronous() -> None:
    async with AsyncLiteStash("data") as stash:
        await stash.set("a", 1)
        async for key, value in stash.items():
            print(key, value)
        entry: Entry | None = await stash.entry("a")
        print(entry)
