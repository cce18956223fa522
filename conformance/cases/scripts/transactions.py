"""Transactions: all of it or nothing, over all shards."""

from cases.scripts.build import CLOCK, Script, error

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
