"""The stash as a mapping, after CPython's own tests of mappings."""

from __future__ import annotations

import os
import pickle
from collections.abc import MutableMapping
from pathlib import Path
from test import mapping_tests  # type: ignore[import-not-found]
from typing import Any

import pytest
from helpers import some

from litestash import MISSING, LiteStash, LiteStashError


class MemoryStash(LiteStash):
    """Made as the tests make mappings."""

    def __init__(self, *initial: Any, **more: Any) -> None:
        self._start(None, {})
        self.update(*initial, **more)

    def __repr__(self) -> str:
        return repr(dict(self.items()))


class TestMapping(mapping_tests.BasicTestMappingProtocol):  # type: ignore[misc]
    type2test = MemoryStash

    def _reference(self) -> dict[Any, Any]:
        # The values of CPython's reference are tuples in one place, which are lists here.
        return {"1": "2", "key1": "value1", "key2": [1, 2, 3]}

    def test_update(self) -> None:
        # As the original, with text keys: a stash holds no objects of other classes as keys or values.
        p = self._empty_mapping()
        p.update(self.reference)
        assert dict(p) == self.reference
        items = list(p.items())
        p = self._empty_mapping()
        p.update(items)
        assert dict(p) == self.reference
        d = self._full_mapping(self.reference)
        with pytest.raises((TypeError, AttributeError)):
            d.update(None)
        with pytest.raises((TypeError, AttributeError)):
            d.update(42)

        class Broken:
            def keys(self) -> Any:
                raise LookupError

        with pytest.raises(LookupError):
            d.update(Broken())

        class BrokenItem(Broken):
            def keys(self) -> Any:
                return ["a"]

            def __getitem__(self, key: object) -> Any:
                raise LookupError

        with pytest.raises(LookupError):
            d.update(BrokenItem())
        with pytest.raises((ValueError, TypeError)):
            d.update([(1, 2, 3)])


def test_it_is_a_mutable_mapping(stash: LiteStash) -> None:
    assert isinstance(stash, MutableMapping)
    stash |= {"a": 1}
    stash |= [("b", 2)]
    stash.update({"c": 3}, d=4)
    assert stash == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert stash != {"a": 1} and stash != 5
    assert len(stash) == 4 and bool(stash)
    assert stash.pop("a") == 1 and stash.pop("a", 7) == 7
    with pytest.raises(KeyError, match="'a'"):
        stash.pop("a")
    with pytest.raises(KeyError, match="'a'"):
        del stash["a"]
    assert stash.setdefault("b", 9) == 2 and stash.setdefault("e") is None and "e" in stash
    rows = dict(stash.popitem() for _ in range(4))
    assert rows == {"b": 2, "c": 3, "d": 4, "e": None}
    assert not stash
    with pytest.raises(KeyError):
        stash.popitem()
    with pytest.raises(TypeError):
        reversed(stash)
    with pytest.raises(TypeError):
        hash(stash)


def test_none_is_a_value(stash: LiteStash) -> None:
    stash["a"] = None
    assert stash.get("a", 1) is None and "a" in stash and stash.get("b", MISSING) is MISSING
    assert stash.take("a", MISSING) is None and stash.take("a", MISSING) is MISSING


def test_keys_are_those_of_a_dict(stash: LiteStash) -> None:
    stash[1] = "int"
    assert stash[1.0] == "int" and stash[True] == "int"
    stash.update({"1": "text", b"1": "bytes", 1.5: "float", "": "empty", -0.0: "zero"})
    assert set(stash) == {1, "1", b"1", 1.5, "", 0}
    wrong: Any
    for wrong in (None, (), [], object(), float("nan"), 2**63, "\ud800"):
        with pytest.raises(ValueError):
            stash[wrong] = 1
        with pytest.raises(ValueError):
            stash.get(wrong)
    with pytest.raises(LiteStashError) as refused:
        stash["x" * 2049] = 1
    assert refused.value.kind == "TooLarge" and "xx" not in str(refused.value)


def test_views_are_lazy_and_can_go_on(stash: LiteStash) -> None:
    stash.update({f"user:{n}": n for n in range(100)})
    stash["other"] = -1
    keys, values, items = stash.keys(prefix="user:"), stash.values(prefix="user:"), stash.items(prefix="user:")
    assert len(keys) == len(values) == len(items) == 100
    assert sorted(values) == list(range(100)) and dict(items)["user:7"] == 7
    assert "user:7" in keys and "other" not in keys and 7 in values and ("user:7", 7) in items
    assert "other" in stash.keys() and ("other", -1) in stash.items() and ("other", 0) not in stash.items()
    first = stash.keys(prefix="user:", limit=10).scan()
    seen = list(first)
    seen += stash.keys(prefix="user:", cursor=first.cursor)
    assert len(seen) == 100 == len(set(seen))
    stash["user:100"] = 100
    assert len(keys) == 101
    assert {"user:1"} <= (stash.keys() & {"user:1", "nobody"})


def test_rows_written_meanwhile_do_not_make_a_walk_endless(stash: LiteStash) -> None:
    stash.update({n: n for n in range(50)})
    walked = 0
    for key in stash:
        stash[f"new:{key!r}"] = 1
        walked += 1
        assert walked < 1000


def test_home_is_expanded_and_pickles_reopen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    with LiteStash("~/data", durability="full", default_ttl=60) as stash:
        stash["a"] = 1
        assert os.fspath(some(stash.path)).startswith(str(folder))
        again = pickle.loads(pickle.dumps(stash))
        assert again["a"] == 1 and again.path == stash.path and again is not stash
        again["b"] = 2
        assert 0 < again.ttl("b") <= 60
        bucket = pickle.loads(pickle.dumps(stash.bucket("one")))
        bucket["c"] = 3
        assert stash.bucket("one")["c"] == 3
        relaxed = pickle.loads(pickle.dumps(stash.with_durability("relaxed")))
        relaxed["d"] = 4
        relaxed.sync()
        assert stash["d"] == 4
        again.close()
    with pytest.raises(TypeError, match="memory"):
        pickle.dumps(LiteStash.memory())


def test_a_closed_stash_says_so(stash: LiteStash) -> None:
    stash["a"] = 1
    stash.close()
    stash.close()
    assert stash.closed and "closed" in repr(stash)
    for operation in (lambda: stash["a"], lambda: stash.get("a"), lambda: stash.update(a=1), lambda: list(stash)):
        with pytest.raises(LiteStashError) as error:
            operation()
        assert error.value.kind == "Closed"


def test_options_are_checked(folder: Path) -> None:
    for wrong in (
        {"durability": "sometimes"},
        {"eviction": "all"},
        {"cache_bytes": -1},
        {"busy_timeout": -1},
        {"no_such_option": 1},
        {"default_ttl": 0},
        {"max_bytes": 5},
    ):
        with pytest.raises(ValueError):
            LiteStash(folder, **wrong)
    with pytest.raises(FileNotFoundError):
        LiteStash(folder / "nowhere", create=False)
    with LiteStash(folder) as stash:
        stash["a"] = 1
    with LiteStash(folder, read_only=True) as stash:
        assert stash["a"] == 1 and stash.is_read_only
        with pytest.raises(PermissionError):
            stash["a"] = 2


def test_limits_evict_or_refuse(folder: Path) -> None:
    with LiteStash(folder, max_rows=10) as stash:
        stash.update({n: n for n in range(10)})
        with pytest.raises(LiteStashError) as full:
            stash["one more"] = 1
        assert full.value.kind == "LimitReached"
    with LiteStash(folder, max_rows=10, eviction="least_recently_stored") as stash:
        stash["one more"] = 1
        assert len(stash) == 10 and stash["one more"] == 1
