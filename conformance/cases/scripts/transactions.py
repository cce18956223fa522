"""Transactions: all of it or nothing, over all shards."""

from cases.scripts.build import CLOCK, Script, error
from cases.scripts.encryption import encrypted
from cases.scripts.samples import KEYS as KEYS_OF_ALL_TYPES
from cases.scripts.samples import VALUES

KEYS = [f"key:{number}" for number in range(40)]


def _set(key: object, value: object, **members: object) -> dict:
    return {"op": "set", "key": key, "value": value, **members}


def _add(key: object, by: int) -> dict:
    return {"op": "increment", "key": key, "by": by}


def committed(*results: object) -> dict:
    return {"committed": list(results)}


def transaction() -> Script:
    """Operations on keys of many shards happen together, in the order given, and see each other."""
    script = Script()
    script.do("transaction", committed(), operations=[])
    script.do("transaction", committed(*[CLOCK] * 40), operations=[_set(key, 100) for key in KEYS])
    moves = [operation for number in range(20) for operation in (_add(KEYS[number], -number), _add(KEYS[39 - number], number))]
    results = [result for number in range(20) for result in (100 - number, 100 + number)]
    script.do("transaction", committed(*results), operations=moves)
    repeated = [_set("a", 1), _add("b", 1), _add("a", 1), {"op": "get", "key": "a"}, {"op": "delete", "key": "b"}, {"op": "exists", "key": "b"}]
    script.do("transaction", committed(CLOCK, 1, 2, {"value": 2}, True, False), operations=repeated)
    script.do("tick", None, us=5)
    script.do("transaction", committed(CLOCK + 5, True), operations=[_set(1, "x", ttl_us=10), {"op": "expire", "key": "a", "ttl_us": 10}])
    script.do("reopen", None)
    script.do("transaction", committed(3, 1), operations=[_add("a", 1), _add("c", 1)])
    script.do("tick", None, us=10)
    script.do("transaction", committed(None, False), operations=[{"op": "take", "key": "a"}, {"op": "delete", "key": "c2"}])
    script.do("items")
    return script


def transaction_refused() -> Script:
    """A condition that does not hold, and an operation that fails, undo everything, also new shard files."""
    script = Script()
    sets = [_set(key, 1) for key in KEYS]
    present = {"op": "check", "key": "none", "if": "present"}
    script.do("transaction", {"refused": 40}, operations=[*sets, present])
    script.do("len", 0)
    script.do("transaction", committed(CLOCK, True), operations=[_set("a", 1), {"op": "check", "key": "none", "if": "absent"}])
    refusing = [
        {"op": "check", "key": "a", "if": "absent"},
        {"op": "check", "key": "a", "if": {"version": 5}},
        {"op": "check", "key": "a", "expected": 1.0},
        {"op": "check", "key": "none", "expected": None},
        _set("a", 2, **{"if": "absent"}),
        {"op": "add", "key": "a", "value": 2},
        {"op": "replace", "key": "none", "value": 2},
        {"op": "compare_and_set", "key": "a", "value": 2},
        {"op": "compare_and_set", "key": "a", "expected": 2, "value": 2},
    ]
    for operation in refusing:
        script.do("transaction", {"refused": 1}, operations=[_add("b", 1), operation, _add("c", 1)])
    script.do("transaction", error("TypeMismatch"), operations=[_set("b", 1), _set("c", "text"), _add("c", 1)])
    script.do("transaction", error("Overflow"), operations=[_set("b", 1), _add("a", 2**63 - 1)])
    script.do("transaction", error("InvalidKey"), operations=[_set("b", 1), _set(None, 1)])
    script.do("transaction", error("InvalidValue"), operations=[_set("b", {"$nope": 1})])
    script.do("transaction", error("InvalidArgument"), operations=[_set("b", 1), _set("c", 1, ttl_us=0)])
    script.do("transaction", error("TooLarge"), operations=[_set("b", 1), _set("k" * 2049, 1)])
    script.do("items", [["a", 1]])
    return script


def transaction_conditions() -> Script:
    """Conditions that hold, on keys that are written before, after and not at all."""
    script = Script()
    script.set("a", 1, CLOCK)
    operations = [
        ({"op": "check", "key": "a", "if": {"version": CLOCK}}, True),
        (_set("a", 2, **{"if": "present"}), CLOCK + 1),
        ({"op": "check", "key": "a", "expected": 2}, True),
        ({"op": "add", "key": "b", "value": None}, True),
        ({"op": "check", "key": "b", "expected": None}, True),
        ({"op": "compare_and_set", "key": "b", "expected": None, "value": [1]}, True),
        ({"op": "take", "key": "b"}, {"value": [1]}),
        ({"op": "check", "key": "b", "if": "absent"}, True),
        ({"op": "replace", "key": "a", "value": 3}, True),
        ({"op": "persist", "key": "a"}, False),
        ({"op": "entry", "key": "a"}, {"value": 3, "version": CLOCK + 2, "expires_at": None, "size": 1}),
        ({"op": "increment_float", "key": "f", "by": 0.5}, 0.5),
        ({"op": "ttl", "key": "f"}, {"expires_at": None}),
    ]
    script.do("transaction", committed(*[result for _, result in operations]), operations=[operation for operation, _ in operations])
    script.do("check", True, key="a", expected=3)
    script.do("check", False, key="a", if_="absent")
    script.do("check", True, key="none", if_="absent")
    script.do("check", False, key="none", expected=1)
    script.do("check", error("InvalidArgument"), key="a")
    script.do("apply", [True, False], operations=[{"op": "check", "key": "a", "if": "present"}, {"op": "check", "key": "f", "expected": 1}])
    return script


def transaction_one_shard() -> Script:
    """What is written in one shard leaves no mark, whatever else is read; what deletes in several does."""
    script = Script()
    script.do("transaction", committed(CLOCK, 1), operations=[_set("a", 1), _add("a2", 1)])
    script.do("transaction", committed(2, {"value": 1}, True), operations=[_add("a2", 1), {"op": "get", "key": "a"}, {"op": "check", "key": "b", "if": "absent"}])
    script.do("transaction", committed(True, True), operations=[{"op": "delete", "key": "a"}, {"op": "delete", "key": "a2"}])
    script.do("transaction", committed(False, CLOCK), operations=[{"op": "delete", "key": "a"}, _set("only", 1)])
    script.do("len", 1)
    return script


def transaction_mixed() -> Script:
    """Transactions among other operations, over a clock that goes back and shards that are emptied."""
    script = Script()
    for number in range(12):
        script.set(KEYS[number], number)
        moved = [_add(KEYS[number], 1), _set(KEYS[number + 12], "x" * (300 * number)), {"op": "delete", "key": KEYS[number // 2]}]
        script.do("transaction", operations=moved)
        script.do("tick", None, us=[7, -20][number % 2])
    script.do("clear", None)
    script.do("transaction", operations=[_set(key, number, ttl_us=50) for number, key in enumerate(KEYS)])
    script.do("reopen", None)
    script.do("transaction", operations=[{"op": "persist", "key": key} for key in KEYS[:9]])
    script.do("tick", None, us=60)
    script.do("items")
    return script


def encrypted_transaction() -> Script:
    """Each time a transaction is done draws nonces: twice where shards have to be made or marked first, else once."""
    script = encrypted()
    # No shard is there; then all are, and marked.
    script.do("transaction", committed(*[CLOCK] * 40), operations=[_set(key, 100) for key in KEYS])
    script.set("between", 1, CLOCK)
    moves = [operation for number in range(20) for operation in (_add(KEYS[number], -number), _add(KEYS[39 - number], number))]
    results = [result for number in range(20) for result in (100 - number, 100 + number)]
    script.do("transaction", committed(*results), operations=moves)
    script.set("between", 2, CLOCK + 1)
    sets = [_set(key, VALUES[number % len(VALUES)]) for number, key in enumerate(KEYS_OF_ALL_TYPES)]
    script.do("transaction", operations=sets)
    script.do("reopen", None)
    repeated = [_set("a", 1), _add("b", 1), _add("a", 1), {"op": "get", "key": "a"}, {"op": "delete", "key": "b"}, {"op": "exists", "key": "b"}]
    script.do("transaction", committed(CLOCK + 1, 1, 2, {"value": 2}, True, False), operations=repeated)
    script.do("transaction", operations=[{"op": "take", "key": key} for key in KEYS_OF_ALL_TYPES[3:9]])
    script.do("items")
    return script


def encrypted_transaction_steps() -> Script:
    """Shards that have to be made, that have to be marked, that are only read, and one alone: by the nonces of what follows."""
    script = encrypted()
    script.set("a", 1, CLOCK)
    script.do("transaction", committed(CLOCK + 1, 1), operations=[_set("a", 2), _add("b", 1)])
    script.set("a", 3, CLOCK + 2)
    # One shard, there or not: no marks.
    script.do("transaction", committed(4, CLOCK + 4), operations=[_add("a", 1), _set("a", 5)])
    script.do("transaction", committed(CLOCK), operations=[_set("c", 1)])
    script.set("c", 2, CLOCK + 1)
    for number, key in enumerate(KEYS[:8]):
        script.set(key, number)
        script.do("transaction", committed(number + 1, {"value": 5}), operations=[_add(key, 1), {"op": "get", "key": "a"}])
    script.do("transaction", committed(*range(2, 10)), operations=[_add(key, 1) for key in KEYS[:8]])
    script.do("transaction", committed(*range(3, 11)), operations=[_add(key, 1) for key in KEYS[:8]])
    # Missing shards in which nothing is stored are not made.
    deletes = [{"op": "delete", "key": f"none:{number}"} for number in range(20)]
    script.do("transaction", committed(*[False] * 20, CLOCK + 5), operations=[*deletes, _set("a", 6)])
    script.set("a", 7, CLOCK + 6)
    script.do("items")
    return script


def encrypted_transaction_refused() -> Script:
    """What is refused or fails has drawn nonces for what it stored before, and leaves nothing."""
    script = encrypted()
    present = {"op": "check", "key": "none", "if": "present"}
    script.do("transaction", {"refused": 40}, operations=[*[_set(key, 1) for key in KEYS], present])
    script.do("len", 0)
    script.set("a", 1, CLOCK)
    script.do("transaction", {"refused": 2}, operations=[_set("a", 2), _set("b", 1), _set("a", 3, **{"if": "absent"}), _set("c", 1)])
    script.do("transaction", error("TypeMismatch"), operations=[_set("b", 1), _set("c", "text"), _add("c", 1)])
    script.set("a", 2, CLOCK + 1)
    script.do("transaction", committed(CLOCK + 2, CLOCK, True), operations=[_set("a", 3), _set("b", 1), {"op": "check", "key": "a", "expected": 3}])
    script.do("transaction", {"refused": 1}, operations=[_add("b", 1), {"op": "compare_and_set", "key": "a", "expected": 2, "value": 4}])
    script.do("transaction", error("Overflow"), operations=[_set("b", 2), _add("a", 2**63 - 1)])
    script.do("transaction", error("InvalidArgument"), operations=[_set("b", 2), _set("c", 1, ttl_us=0)])
    script.do("transaction", committed(2, True), operations=[_add("b", 1), {"op": "compare_and_set", "key": "a", "expected": 3, "value": 4}])
    script.do("items")
    return script


def encrypted_transaction_deadlines() -> Script:
    """Deadlines of every kind within transactions: made by default, said, kept, slid, taken away, reached and swept."""
    script = encrypted(default_ttl_us=1_000)
    operations = [
        (_set("default", 1), CLOCK),
        (_set("said", 2, ttl_us=50), CLOCK),
        (_set("never", 3, expires_at=None), CLOCK),
        (_set("slides", 4, idle_us=80), CLOCK),
        (_set("over", 5, expires_at=CLOCK - 1), CLOCK),
        ({"op": "exists", "key": "over"}, False),
        (_add("counted", 1), 1),
        ({"op": "ttl", "key": "counted"}, {"expires_at": CLOCK + 1_000}),
    ]
    script.do("transaction", committed(*[result for _, result in operations]), operations=[operation for operation, _ in operations])
    script.do("tick", None, us=40)
    operations = [
        ({"op": "touch", "key": "slides"}, True),
        ({"op": "touch", "key": "said"}, True),
        (_set("said", 6, keep_ttl=True), CLOCK + 40),
        (_add("counted", 1), 2),
        ({"op": "expire", "key": "default", "ttl_us": 5}, True),
        ({"op": "expire", "key": "never", "idle_us": 30}, True),
        ({"op": "persist", "key": "counted"}, True),
        ({"op": "persist", "key": "counted"}, False),
    ]
    script.do("transaction", committed(*[result for _, result in operations]), operations=[operation for operation, _ in operations])
    script.do("entry", {"value": 4, "version": CLOCK, "expires_at": CLOCK + 120, "size": 1, "idle_us": 80}, key="slides")
    script.do("tick", None, us=10)
    script.do("transaction", committed(False, None, {"value": 4}), operations=[
        {"op": "delete", "key": "said"}, {"op": "take", "key": "default"}, {"op": "get", "key": "slides"},
    ])  # fmt: skip
    script.do("sweep")
    script.do("reopen", None)
    script.do("transaction", committed({"value": 3}, 3, CLOCK + 50), operations=[
        {"op": "take", "key": "never"}, _add("counted", 1), _set("over", "again", idle_us=10),
    ])  # fmt: skip
    script.do("tick", None, us=1_000)
    script.do("sweep")
    script.do("items", [["counted", 3]])
    return script


def encrypted_transaction_buckets() -> Script:
    """Each bucket has its own journal and keys; what a transaction changes is logged while somebody watches; a rotation between."""
    script = encrypted()
    moves = [_set(key, number) for number, key in enumerate(KEYS[:20])]
    for bucket in ({}, {"bucket": "b"}, {"bucket": "\u00fc"}):
        script.do("transaction", committed(*[CLOCK] * 20), operations=moves, **bucket)
    script.do("watch", None, us=60_000_000)
    changes = [_add(KEYS[0], 1), {"op": "delete", "key": KEYS[1]}, _set(KEYS[2], "new", ttl_us=10), {"op": "take", "key": KEYS[3]}]
    script.do("transaction", committed(1, True, CLOCK + 1, {"value": 3}), operations=changes)
    script.do("transaction", {"refused": 4}, operations=[*changes, {"op": "check", "key": KEYS[4], "expected": 5}], bucket="b")
    script.do("transaction", committed(1, True, CLOCK + 1, {"value": 3}), operations=changes, bucket="b")
    script.do("rotate_key", 18 + 18 + 20)
    script.do("tick", None, us=20)
    script.do("transaction", committed(False, {"value": 4}, 2), operations=[
        {"op": "delete", "key": KEYS[2]}, {"op": "take", "key": KEYS[4]}, _add(KEYS[0], 1),
    ], bucket="b")  # fmt: skip
    script.do("reopen", None)
    script.do("drop_bucket", True, bucket="\u00fc")
    script.do("transaction", committed(*[CLOCK + 20] * 20), operations=moves, bucket="\u00fc")
    script.do("buckets", ["b", "\u00fc"])
    script.do("items")
    script.do("items", bucket="b")
    script.do("len", 20, bucket="\u00fc")
    return script


def encrypted_transaction_limited() -> Script:
    """Counters are kept by a transaction too; one that would pass the limit does nothing."""
    script = encrypted(limits={"rows": 20, "eviction": "none"})
    sets = [_set(key, number) for number, key in enumerate(KEYS)]
    script.do("transaction", error("LimitReached"), operations=sets)
    script.do("transaction", committed(*[CLOCK] * 20), operations=sets[:20])
    script.do("transaction", error("LimitReached"), operations=[_add(KEYS[0], 1), _set("one more", 1)])
    script.do("transaction", committed(True, CLOCK, {"value": 5}), operations=[
        {"op": "delete", "key": KEYS[4]}, _set("one more", 1), {"op": "take", "key": KEYS[5]},
    ])  # fmt: skip
    script.do("len", 19)
    return script


def compressed_transaction() -> Script:
    """Compressed bodies in the journal's way, encrypted."""
    script = encrypted(compression={"min_bytes": 100, "level": 3})
    sets = [_set(key, "abc" * (30 * number)) for number, key in enumerate(KEYS[:12])]
    script.do("transaction", committed(*[CLOCK] * 12), operations=sets)
    script.do("transaction", committed(True, CLOCK, {"value": "abc" * 60}), operations=[
        {"op": "expire", "key": KEYS[10], "ttl_us": 100}, _set("list", list(range(100)) * 5), {"op": "take", "key": KEYS[2]},
    ])  # fmt: skip
    script.do("reopen", None)
    script.do("entry", key=KEYS[10])
    script.do("items")
    return script


def transaction_buckets() -> Script:
    """The same of buckets that are not encrypted, with deadlines and a log of changes."""
    script = Script(default_ttl_us=1_000)
    moves = [_set(key, number, **({"idle_us": 100} if number % 3 == 0 else {})) for number, key in enumerate(KEYS[:16])]
    for bucket in ({}, {"bucket": "b"}, {"bucket": "c.d"}):
        script.do("transaction", committed(*[CLOCK] * 16), operations=moves, **bucket)
    script.do("watch", None, us=60_000_000)
    script.do("tick", None, us=60)
    touches = [{"op": "touch", "key": key} for key in KEYS[:4]]
    for bucket in ({}, {"bucket": "b"}):
        script.do("transaction", committed(*[True] * 4), operations=touches, **bucket)
    script.do("transaction", committed(1, {"value": 2}), operations=[_add(KEYS[0], 1), {"op": "take", "key": KEYS[2]}])
    script.do("transaction", committed(1, {"value": 2}, True), operations=[
        _add(KEYS[0], 1), {"op": "take", "key": KEYS[2]}, {"op": "expire", "key": KEYS[5], "ttl_us": 20},
    ], bucket="b")  # fmt: skip
    script.do("tick", None, us=50)
    script.do("sweep", bucket="b")
    script.do("reopen", None)
    script.do("drop_bucket", True, bucket="c.d")
    script.do("items", bucket="b")
    script.do("transaction", {"refused": 1}, operations=[_add("x", 1), {"op": "check", "key": KEYS[0], "if": "present"}], bucket="c.d")
    script.do("buckets", ["b"])
    script.do("items")
    return script
