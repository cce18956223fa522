"""Stashes with limits: counters that are kept, and writes that are refused."""

from cases.scripts.build import CLOCK, Script, error
from cases.scripts.encryption import KEY
from cases.scripts.samples import KEYS, VALUES

FULL = error("LimitReached")


def _limited(rows: int, **options: object) -> Script:
    return Script(limits={"rows": rows, "eviction": "none"}, **options)


def counted() -> Script:
    """Every kind of write keeps the counters of a counted shard."""
    script = _limited(1_000_000)
    for number, key in enumerate(KEYS):
        script.set(key, VALUES[number % len(VALUES)])
    for number, key in enumerate(KEYS):
        script.set(key, VALUES[(number * 7 + 3) % len(VALUES)], **({"ttl_us": 10} if number % 2 else {}))
    for key in KEYS[::3]:
        script.do("delete", True, key=key)
        script.do("delete", False, key=key)
    for key in KEYS[1::3]:
        script.do("take", key=key)
    for number in range(20):
        script.do("increment", number + 1, key="n", by=1)
        script.do("add", number % 3 == 0, key=f"added:{number // 3}", value="x" * number)
    script.do("expire", True, key="n", ttl_us=5)
    script.do("persist", True, key="n")
    script.do("compare_and_set", True, key="n", expected=20, value="twenty")
    script.do("tick", None, us=10)
    script.do("len")
    return script


def reached() -> Script:
    """A new row over the limit is refused and changes nothing; what is there can be replaced, and deleting makes room."""
    script = _limited(5)
    for number in range(5):
        script.set(number, number, CLOCK)
    for op in ("set", "add"):
        script.do(op, FULL, key=5, value=5)
    script.do("increment", FULL, key=5, by=1)
    script.do("increment_float", FULL, key=5, by=1.0)
    script.do("compare_and_set", FULL, key=5, value=1)
    script.do("replace", False, key=5, value=5)
    script.do("len", 5)
    script.set(4, "longer than before", CLOCK + 1)
    script.do("increment", 1, key=0, by=1)
    script.do("delete", True, key=0)
    script.set(5, 5, CLOCK)
    script.set(0, 0, FULL)
    script.do("reopen", None)
    script.set(0, 0, FULL)
    script.do("take", {"value": 1}, key=1)
    script.set(0, 0, CLOCK)
    script.do("len", 5)
    return script


def expired_rows_count() -> Script:
    """An expired row counts until it is removed, and can be replaced."""
    script = _limited(3)
    for number in range(3):
        script.set(number, number, CLOCK, ttl_us=10)
    script.do("tick", None, us=10)
    script.do("len", 0)
    script.set(3, 3, FULL)
    script.set(0, "new", CLOCK + 10)
    script.do("delete", False, key=1)
    script.set(3, 3, CLOCK + 10)
    script.do("len", 2)
    return script


def limited_batches() -> Script:
    """In `apply` each operation has its answer; removing and clearing make room."""
    script = _limited(10)
    script.do("set_many", items=[[number, number] for number in range(9)])
    operations = [{"op": "set", "key": number, "value": "x"} for number in (3, 9)]
    script.do("apply", operations=operations)
    operations = [{"op": "set", "key": f"more:{number}", "value": number} for number in range(4)]
    script.do("apply", [FULL] * 4, operations=operations)
    script.do("delete_many", [True, True], keys=[0, 1])
    script.do("len", 8)
    script.do("clear", None)
    script.do("len", 0)
    script.do("set_many", items=[[f"after:{number}", number] for number in range(10)])
    script.set("one more", 1, FULL)
    return script


def counted_and_encrypted() -> Script:
    """What counts are the bytes that are stored: of encrypted keys and records."""
    script = _limited(len(KEYS) + 3, encryption_key=KEY)
    for number, key in enumerate(KEYS):
        script.set(key, VALUES[number % len(VALUES)])
    for number, key in enumerate(KEYS):
        script.set(key, VALUES[(number * 7 + 3) % len(VALUES)], **({"ttl_us": 10} if number % 2 else {}))
    script.set("slides", 1, idle_us=80)
    script.do("increment", 1, key="n", by=1)
    script.do("add", True, key="last", value="x" * 5000)
    script.do("add", FULL, key="one more", value=1)
    script.do("tick", None, us=40)
    script.do("touch", True, key="slides")
    script.do("sweep")
    script.do("rotate_key")
    script.do("add", True, key="one more", value=1)
    script.do("delete", True, key="last")
    script.do("take", key=KEYS[0])
    script.do("reopen", None)
    script.do("len")
    script.do("clear", None)
    script.set("again", True)
    return script
