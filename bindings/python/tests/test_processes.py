"""Threads, processes, forks, signals, a second SQLite in the process, and the end of the interpreter."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from helpers import some

from litestash import LiteStash, LiteStashError

LIMIT = 50


def run(program: str, *arguments: Any, expected: int = 0) -> str:
    """A Python program of its own; what it printed."""
    # Whoever started the tests in the background may have had SIGINT ignored, which programs inherit.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    text = heard + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == expected, done.stderr
    assert "Traceback" not in done.stderr and "panicked" not in done.stderr, done.stderr
    return done.stdout


def wait(pid: int) -> int:
    """The exit status of a child, which is ended if it hangs."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError("a child hung")


def forked(work: Any) -> int:
    """Runs something in a forked child; its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return wait(pid)


def test_a_forked_child_opens_the_stash_anew(stash: LiteStash) -> None:
    bucket, full = stash.bucket("b"), stash.with_durability("full")
    stash["a"], bucket["a"], full["c"] = 1, 2, 3

    def child() -> None:
        assert stash["a"] == 1 and bucket["a"] == 2 and full["c"] == 3
        for n in range(50):
            stash[f"child:{n}"] = n
            assert stash[f"child:{n}"] == n
        bucket["child"] = 1
        with stash.transact() as txn:
            txn["txn"] = txn["a"]
        assert forked(lambda: stash.__setitem__("grandchild", bucket["child"])) == 0
        stash.close()

    assert forked(child) == 0
    assert stash["child:49"] == 49 and bucket["child"] == 1 and stash["grandchild"] == 1 and stash["txn"] == 1
    stash["parent"] = 1
    assert stash.verify()["problems"] == []


def test_a_child_of_a_closed_stash_or_one_in_memory_is_told() -> None:
    memory = LiteStash.memory()
    memory["a"] = 1

    def child() -> None:
        with pytest.raises(LiteStashError) as forked_error:
            memory["a"]
        assert forked_error.value.kind == "Forked"

    assert forked(child) == 0 and memory["a"] == 1


def test_threads_and_forks_together(stash: LiteStash) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            n = 0
            while not stop.is_set():
                stash[f"{worker}:{n % 50}"] = n
                assert stash[f"{worker}:{n % 50}"] == n
                n += 1
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    try:
        for n in range(20):
            assert forked(lambda n=n: stash.__setitem__(f"fork:{n}", n)) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert all(stash[f"fork:{n}"] == n for n in range(20))
    assert stash.verify()["problems"] == []


def _count(stash: LiteStash, times: int) -> None:
    for _ in range(times):
        stash.incr("count")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_passes_a_stash_on(stash: LiteStash, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    processes = [context.Process(target=_count, args=(stash, 100)) for _ in range(3)]
    for process in processes:
        process.start()
    _count(stash, 100)
    for process in processes:
        process.join(LIMIT)
        assert process.exitcode == 0
    assert stash["count"] == 400


def test_another_sqlite_in_the_process_and_a_kill_lose_nothing(folder: Path) -> None:
    """Python's own sqlite3 opens, reads, writes and closes a shard file while the stash is open; then the process is
    killed. Without the engine's guard the first close deletes the log under the stash."""
    program = """
        import os, pathlib, signal, sqlite3, sys
        from litestash import LiteStash
        folder = sys.argv[1]
        stash = LiteStash(folder, background=False)
        for n in range(200):
            stash[f"before:{n}"] = n
        shards = sorted(pathlib.Path(folder).glob("*.db"))
        assert len(shards) >= 16, shards
        for shard in shards:
            for how in ("read", "write"):
                other = sqlite3.connect(shard)
                other.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if how == "write":
                    other.execute("BEGIN IMMEDIATE")
                    other.execute("COMMIT")
                other.close()
        for n in range(200):
            stash[f"after:{n}"] = n
        print("acknowledged", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run(program, folder, expected=-signal.SIGKILL) == "acknowledged\n"
    with LiteStash(folder) as stash:
        assert stash.get_many(f"{when}:{n}" for when in ("before", "after") for n in range(200)) == {
            f"{when}:{n}": n for when in ("before", "after") for n in range(200)
        }
        assert stash.verify()["problems"] == []


def test_another_sqlite_meddles_while_threads_write(stash: LiteStash, folder: Path) -> None:
    stash.update({n: n for n in range(200)})
    stop = threading.Event()

    def meddle() -> None:
        while not stop.is_set():
            for shard in sorted(folder.glob("*.db"))[:4]:
                other = sqlite3.connect(shard)
                other.execute("SELECT count(*) FROM sqlite_master").fetchone()
                other.close()

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        for n in range(2000):
            stash[n % 200] = n
    finally:
        stop.set()
        thread.join()
    assert sum(1 for n in range(200) if stash[n] == 1800 + n) == 200
    assert stash.verify()["problems"] == []


def test_a_killed_writer_loses_nothing_acknowledged(folder: Path) -> None:
    program = """
        import sys
        from litestash import LiteStash
        stash = LiteStash(sys.argv[1])
        n = 0
        while True:
            stash[n] = n
            print(n, flush=True)
            n += 1
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(folder)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for _ in range(300):
        writer.stdout.readline()
    writer.kill()
    acknowledged = [int(line) for line in writer.stdout if line.endswith(b"\n")]
    writer.wait(LIMIT)
    writer.stdout.close()
    last = acknowledged[-1] if acknowledged else 299
    with LiteStash(folder) as stash:
        assert all(stash[n] == n for n in range(last + 1))


def test_ctrl_c_ends_what_waits(folder: Path) -> None:
    program = """
        import os, signal, sys, threading
        from litestash import LiteStash
        stash = LiteStash(sys.argv[1])
        for wait in (
            lambda: stash.subscribe().get(),
            lambda: next(iter(stash.subscribe())),
            lambda: stash.get_or_set("never", lambda: threading.Event().wait()),
        ):
            threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            try:
                wait()
            except KeyboardInterrupt:
                print("interrupted")
        # The computation that was interrupted left nothing behind.
        print(stash.get_or_set("never", lambda: 5), stash.verify()["problems"])
        stash["a"] = 1
    """
    assert run(program, folder) == "interrupted\n" * 3 + "5 []\n"


def test_ctrl_c_at_any_moment_leaves_the_stash_sound(folder: Path) -> None:
    program = """
        import os, random, signal, sys, threading
        from litestash import LiteStash, LiteStashError
        stash = LiteStash(sys.argv[1])
        go, done = threading.Event(), threading.Event()
        def shoot():
            go.wait()
            for _ in range(60):
                done.wait(random.uniform(0.0005, 0.004))
                os.kill(os.getpid(), signal.SIGINT)
            done.set()
        interrupted, n = 0, 0
        thread = threading.Thread(target=shoot)
        thread.start()
        while True:
            try:
                go.set()
                while not done.is_set():
                    n += 1
                    stash[n % 100] = {"n": n}
                    stash.get(n % 100)
                    with stash.transact() as txn:
                        txn["pair:a"] = n
                        txn["pair:b"] = n
                    stash.update({"x": n, "y": n})
                    list(stash.keys(prefix="pair"))
                break
            except KeyboardInterrupt:
                interrupted += 1
        while True:
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                break
            except KeyboardInterrupt:
                pass
        thread.join()
        assert interrupted and stash.get("pair:a") == stash.get("pair:b"), interrupted
        assert stash.verify()["problems"] == []
        print("sound")
    """
    assert run(program, folder) == "sound\n"


def test_the_interpreter_ends_with_subscriptions_and_daemons_alive(folder: Path) -> None:
    program = """
        import sys, threading, time
        from litestash import LiteStash
        stash = LiteStash(sys.argv[1], durability="relaxed")
        heard = []
        def slow(event):
            heard.append(event)
            time.sleep(0.01)
        subscriber = stash.subscribe(slow)
        events = stash.subscribe()
        threading.Thread(target=lambda: [None for _ in events], daemon=True).start()
        def write():
            n = 0
            while True:
                stash[n] = n
                stash.get(n)
                n += 1
        for _ in range(3):
            threading.Thread(target=write, daemon=True).start()
        stash["last"] = "relaxed"
        while len(stash) < 50:
            time.sleep(0.01)
        print("end", flush=True)
    """
    for _ in range(3):
        assert run(program, folder) == "end\n"
    with LiteStash(folder) as stash:
        assert stash["last"] == "relaxed" and stash.verify()["problems"] == []


def test_callbacks_that_fail_are_counted_and_called_again(stash: LiteStash, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []

    def fail(event: Any) -> None:
        heard.append(event.key)
        stash[f"echo:{event.key}"] = 1
        raise ZeroDivisionError

    with stash.subscribe(fail, prefix="a") as subscriber:
        stash["a1"] = 1
        stash["a2"] = 2
        deadline = time.monotonic() + 20
        while subscriber.failed < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert subscriber.failed == 2 and heard == ["a1", "a2"] and stash["echo:a2"] == 1
    assert subscriber.closed and "ZeroDivisionError" in caplog.text


def test_events(stash: LiteStash) -> None:
    with stash.subscribe(kinds=["set", "delete", "access"]) as events:
        stash["a"] = 1
        stash["a"]
        del stash["a"]
        stash.clear()
        kinds = [some(events.get(timeout=10)).kind for _ in range(3)]
        assert kinds == ["set", "access", "delete"] and events.get(timeout=0) is None
    assert events.get() is None and list(events) == [] and events.closed
    wrong: dict[str, Any]
    for wrong in ({"kinds": ["no"]}, {"kinds": []}, {"kinds": ["access"], "all_processes": True}, {"capacity": 0}):
        with pytest.raises(ValueError):
            stash.subscribe(**wrong)


def test_events_of_other_processes(stash: LiteStash, folder: Path) -> None:
    with stash.subscribe(all_processes=True, prefix="other:") as events:
        run("import sys, litestash\nlitestash.LiteStash(sys.argv[1])['other:1'] = 5", folder)
        event = some(events.get(timeout=20))
        assert event.key == "other:1" and not event.is_local and event.missed == 0


def test_a_full_queue_drops_and_counts(stash: LiteStash) -> None:
    with stash.subscribe(capacity=2) as events:
        for n in range(5):
            stash[n] = n
        assert events.dropped == 3


def test_an_iterator_that_two_threads_use_at_once_says_so_or_serves_both(stash: LiteStash) -> None:
    stash.update({n: n for n in range(5000)})
    rows, seen, lock = stash.keys().scan(), [], threading.Lock()

    def walk() -> None:
        while True:
            try:
                key = next(rows)
            except StopIteration:
                return
            except ValueError:
                continue
            with lock:
                seen.append(key)

    threads = [threading.Thread(target=walk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(5000))
