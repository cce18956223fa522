"""Importers, on stores that the published packages made."""

from __future__ import annotations

import datetime
import io
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import diskcache
import diskstore.config
import diskstore.diskstore
import kv_cache
import livedict
import pytest
import sqlitedict
from helpers import some

from litestash import LiteStash, LiteStashError
from litestash.importers import SOURCES, import_store

HERE = Path(__file__).parent


class Evil:
    """What its pickle does must never happen."""

    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/litestash-unpickled",)


@pytest.fixture(autouse=True)
def nothing_is_run() -> Any:
    marker = Path("/tmp/litestash-unpickled")
    marker.unlink(missing_ok=True)
    yield
    assert not marker.exists()


def fill_diskcache(cache: Any) -> None:
    cache.set("int", 1)
    cache.set("text", "x", expire=1000)
    cache.set(b"bytes", b"\0x")
    cache.set(5, 2.5, tag="t")
    cache.set("gone", 1, expire=1000)
    cache.set("long text", "ä" * 50_000)
    cache.set("long bytes", b"y" * 100_000)
    cache.set("pickled", {"x": [1, (2,)]})
    cache.set("long pickled", list(range(50_000)))
    cache.set((1, 2), "tuple key")
    cache.set("evil", Evil())
    cache.close()
    connection = sqlite3.connect(Path(cache.directory) / "cache.db")
    # The cache would remove it at once if it had expired by itself.
    connection.execute("UPDATE Cache SET expire_time = 5 WHERE key = 'gone'")
    connection.commit()
    connection.close()


def test_diskcache(stash: LiteStash, tmp_path: Path) -> None:
    fill_diskcache(diskcache.Cache(str(tmp_path / "cache")))
    report = import_store("diskcache", tmp_path / "cache", stash)
    assert (report.rows, report.expired, report.refused) == (6, 1, 4)
    assert "pickled" in report.refusals[0].reason
    assert stash["int"] == 1 and stash["text"] == "x" and stash[b"bytes"] == b"\0x" and stash[5] == 2.5
    assert stash["long text"] == "ä" * 50_000 and stash["long bytes"] == b"y" * 100_000
    assert 990 < some(stash.ttl("text")) <= 1000 and stash.ttl("int") is None
    assert abs(some(stash.entry("int")).version / 1e6 - time.time()) < 600
    again = import_store("diskcache", tmp_path / "cache", stash)
    assert (again.rows, again.older) == (0, 6)

    plain = import_store("diskcache", tmp_path / "cache", stash, pickled="plain")
    assert stash["pickled"] == {"x": [1, [2]]} and stash["long pickled"] == list(range(50_000))
    # A tuple is no key, and the evil one names a function.
    assert plain.refused == 2 and any("names a class or a function" in one.reason for one in plain.refusals)

    with LiteStash.memory() as other:
        assert import_store("diskcache", tmp_path / "cache", other, pickled="bytes").rows == 9
        assert pickle.loads(other["pickled"]) == {"x": [1, (2,)]} and b"system" in other["evil"]


def test_diskcache_json_fanout_and_files_outside(stash: LiteStash, tmp_path: Path) -> None:
    with diskcache.Cache(str(tmp_path / "json"), disk=diskcache.JSONDisk) as cache:
        cache["a"] = {"x": [1, 2]}
    assert import_store("diskcache", tmp_path / "json", stash).rows == 1 and stash["a"] == {"x": [1, 2]}
    with diskcache.FanoutCache(str(tmp_path / "fanout"), shards=4) as fanout:
        for n in range(50):
            fanout[n] = str(n)
    assert import_store("diskcache", tmp_path / "fanout", stash).rows == 50 and stash[49] == "49"
    (tmp_path / "secret").write_text("secret")
    with diskcache.Cache(str(tmp_path / "outside")) as cache:
        cache["a"] = "x" * 100_000
    connection = sqlite3.connect(tmp_path / "outside/cache.db")
    connection.execute("UPDATE Cache SET filename = '../secret'")
    connection.commit()
    connection.close()
    report = import_store("diskcache", tmp_path / "outside", stash)
    assert report.rows == 0 and "outside" in report.refusals[0].reason


def test_sqlitedict(stash: LiteStash, tmp_path: Path) -> None:
    path = tmp_path / "dict.db"
    with sqlitedict.SqliteDict(str(path), autocommit=True) as store:
        store["a"], store["b"], store["evil"] = {"x": 1}, "s", Evil()
    assert import_store("sqlitedict", path, stash).refused == 3 and not stash
    report = import_store("sqlitedict", path, stash, pickled="plain")
    assert (report.rows, report.refused) == (2, 1) and stash == {"a": {"x": 1}, "b": "s"}
    with sqlitedict.SqliteDict(str(path), "other", autocommit=True, encode=json.dumps, decode=json.loads) as store:
        store["j"] = [1, 2]
    with pytest.raises(LiteStashError, match="several tables"):
        import_store("sqlitedict", path, stash)
    assert import_store("sqlitedict", path, stash, table="other").rows == 1 and stash["j"] == [1, 2]


def test_kv_cache(stash: LiteStash, tmp_path: Path) -> None:
    store = kv_cache.KVStore(str(tmp_path / "kv.db"))
    store.set("a", {"x": [1, None, True]})
    store.set("b", "s", ttl=1000)
    store.set("gone", 1, ttl=-10)
    store.close()
    report = import_store("kv-cache", tmp_path / "kv.db", stash)
    assert (report.rows, report.expired) == (2, 1)
    assert stash == {"a": {"x": [1, None, True]}, "b": "s"} and 990 < some(stash.ttl("b")) <= 1000


def test_diskstore(stash: LiteStash, tmp_path: Path) -> None:
    import dataclasses

    @dataclasses.dataclass
    class Point:
        x: int
        name: str

    with diskstore.diskstore.DiskStore(str(tmp_path / "plain.db")) as store:
        store["a"], store[1], store[1.5], store[b"k"] = "s", b"b", 5, 2.5
    with diskstore.diskstore.DiskStore(str(tmp_path / "json.db"), diskstore.config.JsonConfig()) as store:
        store["j"] = {"x": [1, "2"]}
    with diskstore.diskstore.DiskStore(str(tmp_path / "points.db"), diskstore.config.DataclassConfig(Point)) as store:
        store["p"] = Point(1, "one")
    for name in ("plain", "json", "points"):
        assert import_store("diskstore", tmp_path / f"{name}.db", stash).refused == 0
    assert stash == {"a": "s", 1: b"b", 1.5: 5, b"k": 2.5, "j": {"x": [1, "2"]}, "p": {"x": 1, "name": "one"}}


def test_livedict(stash: LiteStash, tmp_path: Path) -> None:
    key = bytes(range(32))
    cipher = livedict.CipherAdapter(keys=[key])
    for backend in (
        livedict.SQLiteBackend(f"sqlite:///{tmp_path / 'live.db'}"),
        livedict.FileBackend(str(tmp_path / "live")),
    ):
        store = livedict.LiveDict(cipher=cipher, backends={"one": backend})
        store.set("a", {"x": 1}, ttl=1000, backend="one", persist=True)
        store.set("b", [1], bucket="other", backend="one", persist=True)
        store.stop()
    for place in ("live.db", "live"):
        with LiteStash.memory() as other:
            assert import_store("livedict", tmp_path / place, other).refused == 2 and not other
            assert import_store("livedict", tmp_path / place, other, keys=[bytes(32)]).refused == 2
            assert import_store("livedict", tmp_path / place, other, keys=[bytes(32), key]).rows == 2
            assert other["a"] == {"x": 1} and 990 < some(other.ttl("a")) <= 1000
            assert other.bucket("other")["b"] == [1]


def test_the_beta(stash: LiteStash, tmp_path: Path) -> None:
    # Written by litestash 0.1.0b5 under Python 3.12, as it needs it; the databases that had rows, as SQL.
    for name, statements in json.loads((HERE / "data/litestash-0.1.0b5.json").read_text()).items():
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        connection = sqlite3.connect(folder / f"{name}.db")
        connection.executescript("\n".join(statements))
        connection.close()
    assert import_store("litestash-beta", tmp_path / "data", stash).rows == 4
    assert stash == {"alpha": {"a": 1}, "beta": [1, 2], "gamma": None, "zeta": {"b": "x"}}
    written = datetime.datetime.fromtimestamp(some(stash.entry("alpha")).version / 1e6, datetime.timezone.utc)
    assert written.year == 2026


def test_plain_pickles_are_only_plain() -> None:
    from litestash.importers import Pickled
    from litestash.importers._row import Refused

    class Own:
        pass

    class Persistent(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return "x" if isinstance(value, list) else None

    out = io.BytesIO()
    Persistent(out).dump([1])
    plain = Pickled("plain")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert plain.value(pickle.dumps({"a": [1, 2.5, None, True, "x", (1,)]}, protocol)) == {
            "a": [1, 2.5, None, True, "x", [1]]
        }
    for wrong in (b"", b"\x80", b"\x80\x05junk", out.getvalue(), pickle.dumps(os.system), pickle.dumps(Evil()), pickle.dumps(1j)):
        with pytest.raises(Refused):
            plain.value(wrong)
    with pytest.raises(Refused):
        Pickled("refuse").value(pickle.dumps(1))


def test_the_command(folder: Path, tmp_path: Path) -> None:
    with diskcache.Cache(str(tmp_path / "cache")) as cache:
        cache["a"], cache["p"] = 1, [1]
    command = [sys.executable, "-m", "litestash", "import", "--from", "diskcache", str(tmp_path / "cache"), "--to", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 3 and "1 rows" in done.stdout and "pickled" in done.stderr
    done = subprocess.run([*command, "--pickled", "plain"], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    with LiteStash(folder) as stash:
        assert stash == {"a": 1, "p": [1]}
    command[6] = str(tmp_path / "nowhere")
    assert subprocess.run(command, capture_output=True, timeout=50, check=False).returncode == 1


@pytest.mark.skipif("LITESTASH_PROGRAM" not in os.environ, reason="cargo xtask python builds the command line")
def test_the_command_line_hands_over(folder: Path, tmp_path: Path) -> None:
    key = bytes(range(32))
    with diskcache.Cache(str(tmp_path / "cache")) as cache:
        cache["a"], cache["p"] = 1, [1]
    store = livedict.LiveDict(
        cipher=livedict.CipherAdapter(keys=[key]), backends={"one": livedict.SQLiteBackend(f"sqlite:///{tmp_path / 'live.db'}")}
    )
    store.set("live", {"x": 1}, backend="one", persist=True)
    store.stop()

    def litestash(*words: Any) -> Any:
        command = [os.environ["LITESTASH_PROGRAM"], "--dir", str(folder), *map(str, words)]
        surroundings = os.environ | {"LITESTASH_PYTHON": sys.executable, "LIVE_KEY": key.hex()}
        return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=surroundings)

    done = litestash("import", "--from", "diskcache", tmp_path / "cache")
    assert done.returncode == 3 and "1 rows" in done.stdout and "pickled" in done.stderr
    done = litestash("--json", "import", "--from", "diskcache", tmp_path / "cache", "--pickled", "plain")
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == 1, done.stderr
    done = litestash("import", "--from", "livedict", tmp_path / "live.db", "--store-key-env", "LIVE_KEY")
    assert done.returncode == 0, done.stderr
    done = litestash("--json", "import", "--from", "sqlitedict", tmp_path / "nowhere")
    assert done.returncode == 5 and json.loads(done.stderr)["error"] == "NoStash"
    assert litestash("get", "a").stdout == "1\n" and litestash("get", "live").stdout == '{"x":1}\n'


def test_what_is_no_store_is_an_error(stash: LiteStash, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 1000)
    for kind in SOURCES:
        if kind not in ("diskcache",):
            with pytest.raises(LiteStashError):
                import_store(kind, tmp_path / "text", stash)
        with pytest.raises(FileNotFoundError):
            import_store(kind, tmp_path / "missing", stash)
    with pytest.raises(ValueError):
        import_store("no such kind", tmp_path, stash)
