"""The package beside others, operation by operation: interleaved rounds, their medians, ratios.

    python bench/bench.py [--rows 1000] [--rounds 15] [--json FILE]

The median counts what a store does now and then in the midst of an operation, a checkpoint say, as the best round
would not. Rivals that are not installed are left out (`requirements-bench.txt` has them). LiveDict refuses more than
20 000 keys, of which each round leaves as many as it has rows."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VALUE = {
    "name": "Ada Lovelace", "mail": "ada@example.org", "age": 36, "tags": ["math", "engine"],
    "seen": 1234567890.5, "active": True, "note": None,
}  # fmt: skip


class LiteStash:
    name = "litestash"

    def __init__(self, folder: Path) -> None:
        from litestash import LiteStash

        self.store = LiteStash(folder / "stash")


class DiskStore:
    name = "diskstore"

    def __init__(self, folder: Path) -> None:
        from diskstore import DiskStore
        from diskstore.config import JsonConfig

        self.store = DiskStore(str(folder / "disk.db"), JsonConfig())


class DiskCache:
    name = "diskcache"

    def __init__(self, folder: Path) -> None:
        from diskcache import Cache

        self.store = Cache(str(folder / "cache"))


class KvCache:
    name = "kv-cache"

    def __init__(self, folder: Path) -> None:
        from kv_cache import KVStore

        store = KVStore(str(folder / "kv.db"))
        self.store = Methods(store.get, store.set, store.delete)


class LiveDict:
    name = "livedict"

    def __init__(self, folder: Path) -> None:
        from livedict import LiveDict

        self.store = LiveDict()


class SqliteDict:
    name = "sqlitedict"

    def __init__(self, folder: Path) -> None:
        from sqlitedict import SqliteDict

        self.store = SqliteDict(str(folder / "dict.db"), autocommit=True)


class Methods:
    """A store without brackets."""

    def __init__(self, get: Any, set: Any, delete: Any) -> None:
        self.get, self.set, self.delete = get, set, delete

    def __getitem__(self, key: str) -> Any:
        return self.get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        self.delete(key)


RIVALS = [LiteStash, DiskStore, DiskCache, KvCache, LiveDict, SqliteDict]


def set_new(store: Any, rows: int, round: int) -> None:
    for n in range(rows):
        store[f"new:{round}:{n}"] = VALUE


def overwrite(store: Any, rows: int, round: int) -> None:
    for n in range(rows):
        # Another value than before: who compares first would have nothing to write.
        store[f"key:{n}"] = VALUE | {"age": round}


def hot_get(store: Any, rows: int, round: int) -> None:
    for n in range(rows):
        store[f"key:{n % 100}"]


def set_and_delete(store: Any, rows: int, round: int) -> None:
    for n in range(rows):
        store[f"gone:{n}"] = VALUE
        del store[f"gone:{n}"]


OPERATIONS: list[Callable[[Any, int, int], None]] = [set_new, overwrite, hot_get, set_and_delete]


def memoized(folder: Path, rounds: int) -> float:
    """Microseconds of a hit."""
    from litestash import LiteStash

    with LiteStash(folder / "memo") as stash:

        @stash.memoize(ttl=600)
        def function(number: int, text: str) -> int:
            return number

        function(1, "a")
        hits = [timed(lambda: [function(1, "a") for _ in range(20_000)]) / 20_000 for _ in range(rounds)]
        return statistics.median(hits) * 1e6


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    stores: dict[str, Any] = {}
    for rival in RIVALS:
        try:
            stores[rival.name] = rival(folder).store
        except (ImportError, AttributeError) as error:
            print(f"left out: {rival.name} ({error})")
    all_rounds: dict[str, dict[str, list[float]]] = {
        operation.__name__: {name: [] for name in stores} for operation in OPERATIONS
    }
    for store in stores.values():
        overwrite(store, given.rows, 0)
    for round in range(given.rounds):
        for operation in OPERATIONS:
            for name, store in stores.items():
                took = timed(lambda: operation(store, given.rows, round)) / given.rows * 1e6
                all_rounds[operation.__name__][name].append(took)
    hit = memoized(folder, given.rounds)
    print(f"{'microseconds':16}" + "".join(f"{name:>20}" for name in stores))
    medians = {
        operation: {name: statistics.median(rounds) for name, rounds in by_store.items()}
        for operation, by_store in all_rounds.items()
    }
    for operation, figures in medians.items():
        ours = figures["litestash"]
        cells = (f"{took:9.2f} (x{ours / took:6.3f})" for took in figures.values())
        print(f"{operation:16}" + "".join(f"{cell:>20}" for cell in cells))
    print(f"memoized hit: {hit:.2f} microseconds")
    if given.json:
        given.json.write_text(json.dumps(medians | {"memoized_hit": hit}, indent=1))
    for store in stores.values():
        for end in ("close", "stop"):
            if hasattr(store, end):
                getattr(store, end)()
                break
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    importlib.invalidate_caches()
    main()
