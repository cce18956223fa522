"""Operations on one key and on several."""

from __future__ import annotations

import datetime
import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from helpers import some

import litestash
from litestash import MISSING, ConflictError, LiteStash, LiteStashError, Op, RefusedError


def test_conditions_and_versions(stash: LiteStash) -> None:
    first = stash.set("a", 1)
    assert first is not None and stash.set("a", 2, if_absent=True) is None
    assert stash.set("b", 2, if_present=True) is None
    second = stash.set("a", 2, if_version=first)
    assert second is not None and second > first
    assert stash.set("a", 3, if_version=first) is None
    assert stash.add("a", 9) is False and stash.add("c", 9) is True
    assert stash.replace("a", 5) is True and stash.replace("d", 5) is False
    assert stash.compare_and_set("a", 5, 6) and not stash.compare_and_set("a", 5, 7)
    assert stash.compare_and_set("e", MISSING, 1) and not stash.compare_and_set("e", MISSING, 1)
    assert not stash.compare_and_set("f", None, 1)
    with pytest.raises(ValueError):
        stash.set("a", 1, if_absent=True, if_present=True)


def test_numbers(stash: LiteStash) -> None:
    assert stash.incr("n") == 1 and stash.incr("n", 5) == 6 and stash.decr("n", 7) == -1
    assert stash.incr("f", 0.5) == 0.5 and stash.decr("f", 0.25) == 0.25
    stash["big"] = 2**63 - 1
    with pytest.raises(OverflowError):
        stash.incr("big")
    stash["text"] = "x"
    with pytest.raises(TypeError):
        stash.incr("text")
    with pytest.raises(TypeError):
        stash.incr("n", "1")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        stash.incr("n", 2**63)


def test_deadlines(stash: LiteStash) -> None:
    stash.set("a", 1, ttl=100)
    assert 99 < some(stash.ttl("a")) <= 100
    assert stash.expire("a", datetime.timedelta(hours=1)) and some(stash.ttl("a")) > 3500
    stash["a"] = 2
    assert stash.ttl("a") is None and stash.expires_at("a") is None
    at = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    stash.set("a", 1, expires_at=at)
    assert stash.expires_at("a") == at and some(stash.entry("a")).expires_at == at
    assert stash.persist("a") and not stash.persist("a")
    stash.set("a", 1, expires_at=at.timestamp())
    assert stash.set("a", 2, keep_ttl=True) and stash.expires_at("a") == at
    stash.set("gone", 1, expires_at=5)
    assert "gone" not in stash
    stash.set("slides", 1, idle=50)
    assert some(stash.entry("slides")).idle == datetime.timedelta(seconds=50) and stash.touch("slides")
    for missing in (stash.ttl, stash.expires_at):
        with pytest.raises(KeyError):
            missing("nothing")
    assert not stash.expire("nothing", 5) and stash.entry("nothing") is None
    wrong: dict[str, Any]
    for wrong in ({"ttl": 0}, {"ttl": -1}, {"ttl": "5"}, {"ttl": 1, "idle": 1}, {"ttl": math.nan}, {"idle": math.inf}):
        with pytest.raises(ValueError):
            stash.set("a", 1, **wrong)
    with pytest.raises(ValueError):
        stash.expire("a")


def test_a_default_time_to_live_and_for_ever() -> None:
    with LiteStash.memory(default_ttl=50) as stash:
        stash["a"] = 1
        assert some(stash.ttl("a")) <= 50
        stash.set("a", 1, ttl=math.inf)
        assert stash.ttl("a") is None


def test_rows_expire(stash: LiteStash) -> None:
    stash.set("a", 1, ttl=0.05)
    deadline = time.monotonic() + 20
    while "a" in stash:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stash["b"] = 1
    assert stash.expire_older_than(3600) == 0


def test_several_keys(stash: LiteStash) -> None:
    versions = stash.set_many({"a": 1, "b": None}, ttl=60)
    assert len(versions) == 2 and some(stash.ttl("a")) <= 60
    assert stash.get_many(["a", "b", "c"]) == {"a": 1, "b": None}
    assert stash.delete_many(iter(["a", "c"])) == [True, False]
    with pytest.raises(ValueError):
        stash.set_many([("x", 1), ("y", object())])
    assert "x" not in stash
    with pytest.raises(ValueError):
        stash.set_many([(str(n), n) for n in range(10_001)])
    stash.update((str(n), n) for n in range(10_001))
    assert len(stash) == 10_002
    ops = [Op.set("n", 1), Op.incr("n"), Op.incr("b"), Op.get("nothing"), Op.entry("n"), Op.delete("n"), Op.expect("b", None)]
    version, two, failed, missing, entry, deleted, holds = stash.apply(ops)
    assert version and two == 2 and failed.kind == "TypeMismatch" and missing is MISSING and entry.value == 2
    assert deleted is True and holds is True


def test_transactions_are_whole_or_absent(stash: LiteStash) -> None:
    stash.update(ada=100, bob=0)
    assert stash.transaction([Op.incr("ada", -30), Op.incr("bob", 30)]) == [70, 30]
    with pytest.raises(RefusedError) as refused:
        stash.transaction([Op.incr("ada", -30), Op.check("carol", present=True), Op.incr("bob", 30)])
    assert refused.value.index == 1 and stash["ada"] == 70
    with pytest.raises(TypeError):
        stash["text"] = "x"
        stash.transaction([Op.incr("ada", 1), Op.incr("text", 1)])
    assert stash["ada"] == 70


def test_a_block_sees_its_own_writes_and_leaves_nothing_when_it_fails(stash: LiteStash) -> None:
    stash.update(a=1, b=2)
    with stash.transact() as txn:
        txn["a"] = 10
        txn["c"] = {"x": 1}
        assert txn["a"] == 10 and stash["a"] == 1 and "c" in txn and "c" not in stash
        assert txn.incr("a", 5) == 15 and txn.decr("n") == -1
        assert txn.take("b") == 2 and "b" not in txn and txn.pop("b", 5) == 5
        assert not txn.add("a", 0) and txn.add("new", 1)
        txn.update({"u": 1}, v=2)
        del txn["u"]
        with pytest.raises(KeyError):
            txn["u"]
    assert stash == {"a": 15, "c": {"x": 1}, "n": -1, "new": 1, "v": 2}
    with pytest.raises(ZeroDivisionError), stash.transact() as txn:
        txn["a"] = 0
        raise ZeroDivisionError
    assert stash["a"] == 15
    with pytest.raises(ValueError), stash.transact() as txn:
        txn["a"] = 0
        txn["b"] = object()
    assert stash["a"] == 15
    with pytest.raises(LiteStashError):
        txn["a"]


def test_a_block_in_a_block_is_a_savepoint(stash: LiteStash) -> None:
    with stash.transact() as outer:
        outer["a"] = 1
        with pytest.raises(ZeroDivisionError), stash.transact() as inner:
            inner["a"] = 2
            inner["b"] = 2
            with stash.transact() as innermost:
                innermost["c"] = 3
            raise ZeroDivisionError
        assert outer["a"] == 1 and "b" not in outer and "c" not in outer
        with outer.savepoint():
            outer["d"] = 4
            outer.rollback()
            outer["e"] = 5
    assert stash == {"a": 1, "e": 5}


def test_what_was_read_and_written_by_others_is_a_conflict(stash: LiteStash) -> None:
    stash["a"] = 1
    with pytest.raises(ConflictError), stash.transact() as txn:
        txn["b"] = txn["a"] + 1
        stash["a"] = 5
    assert "b" not in stash
    with pytest.raises(ConflictError), stash.transact() as txn:
        assert "new" not in txn
        txn["b"] = 1
        stash["new"] = 1
    assert "b" not in stash


def test_functions_in_transactions_are_repeated(stash: LiteStash) -> None:
    stash["n"] = 0

    def work() -> None:
        for _ in range(50):
            stash.in_transaction(lambda txn: txn.set("n", txn["n"] + 1), attempts=10_000)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stash["n"] == 200


def test_buckets(stash: LiteStash) -> None:
    one, two = stash.bucket("one"), stash.bucket("zwei/ä", default_ttl=60)
    one["a"], two["a"] = 1, 2
    assert "a" not in stash and one["a"] == 1 and some(two.ttl("a")) <= 60
    assert stash.buckets() == ["one", "zwei/ä"]
    assert stash.drop_bucket("one") and not stash.drop_bucket("one") and "a" not in one
    for wrong in ("", "x" * 300):
        with pytest.raises(ValueError):
            stash.bucket(wrong)
    with pytest.raises(ValueError):
        one.bucket("inner")


def test_care(stash: LiteStash, tmp_path: Path) -> None:
    stash.update({str(n): n for n in range(100)})
    stats = stash.stats()
    assert stats["rows"] == 100 and len(stats["shards"]) == 16
    assert stash.verify()["problems"] == []
    assert stash.backup(tmp_path / "copy")["shards"] == 16
    with LiteStash(tmp_path / "copy") as copy:
        assert copy == stash
    assert litestash.repair(tmp_path / "copy", tmp_path / "mended")["rows"] == 100
    assert stash.export(tmp_path / "rows")["rows"] == 100
    with LiteStash(tmp_path / "other") as other:
        assert other.import_(tmp_path / "rows")["rows"] == 100 and other == stash
    stash.clear()
    assert stash.compact()["shards_busy"] == 0 and stash.sweep()["rows"] == 0
    stash.sync()


def test_errors_have_the_facts_of_the_table() -> None:
    from litestash import _errors

    for number, error in _errors.BY_NUMBER.items():
        assert error.number == number and error.retry and getattr(litestash, error.__name__) is error
        assert error.__name__ == ("NumberOverflowError" if error.kind == "Overflow" else f"{error.kind}Error")
    assert issubclass(litestash.BusyError, TimeoutError) and issubclass(litestash.InvalidKeyError, ValueError)
