"""Operations on several keys."""

from cases.scripts.build import CLOCK, Script, error


def many() -> Script:
    """set_many, get_many and delete_many answer in the order of their arguments, whatever shard a key is in."""
    script = Script()
    script.do("set_many", [], items=[])
    script.do("get_many", [], keys=[])
    script.do("delete_many", [], keys=[])
    script.do("set_many", [CLOCK] * 30, items=[[f"key:{number}", number] for number in range(30)])
    script.do("get_many", [{"value": number} for number in range(29, -1, -1)], keys=[f"key:{number}" for number in range(29, -1, -1)])
    script.do("get_many", [{"value": 3}, None, {"value": 3}], keys=["key:3", "none", "key:3"])
    script.do("delete_many", [True, False, True], keys=["key:0", "none", "key:29"])
    script.do("get_many", [None, {"value": 1}], keys=["key:0", "key:1"])
    script.do("set_many", [CLOCK, CLOCK + 1, CLOCK], items=[["key:0", "again"], ["key:1", [1]], [1.0, {"a": None}]])
    script.do("set_many", [CLOCK + 1, CLOCK], items=[[1, "one number, one key"], [{"$bytes": "YQ=="}, {"$bytes": "Yg=="}]])
    script.set("ttl", 1, CLOCK, ttl_us=10)
    script.do("set_many", [CLOCK + 1], items=[["ttl", 2]])
    script.do("ttl", {"expires_at": None}, key="ttl")
    script.do("len", 32)
    return script


def repeated_keys() -> Script:
    """A key may occur several times in a batch: in given order."""
    script = Script()
    script.do("set_many", [CLOCK, CLOCK, CLOCK + 1, CLOCK + 2], items=[["a", 1], ["b", 1], ["a", 2], ["a", 3]])
    script.do("get_many", [{"value": 3}, {"value": 1}], keys=["a", "b"])
    script.do("delete_many", [True, True, False], keys=["a", "b", "a"])
    operations = [
        {"op": "set", "key": "a", "value": 1},
        {"op": "get", "key": "a"},
        {"op": "increment", "key": "a", "by": 5},
        {"op": "take", "key": "a"},
        {"op": "get", "key": "a"},
        {"op": "set", "key": "a", "value": 2},
    ]
    script.do("apply", [CLOCK, {"value": 1}, 6, {"value": 6}, None, CLOCK], operations=operations)
    script.get("a", 2)
    return script


def apply() -> Script:
    """A batch of different operations over many shards; results are in the order of the operations."""
    script = Script()
    script.do("apply", [], operations=[])
    sets = [{"op": "set", "key": f"key:{number}", "value": number} for number in range(40)]
    script.do("apply", [CLOCK] * 40, operations=sets)
    mixed = []
    for number in range(40):
        key = f"key:{number}"
        mixed.append([
            {"op": "get", "key": key},
            {"op": "increment", "key": key, "by": 100},
            {"op": "delete", "key": key},
            {"op": "set", "key": key, "value": "if", "if": "absent"},
            {"op": "set", "key": key, "value": "ttl", "ttl_us": number},
        ][number % 5])  # fmt: skip
    script.do("apply", operations=mixed)
    script.do("items")
    script.do("tick", None, us=20)
    script.do("len")
    return script


def apply_errors() -> Script:
    """In a batch an operation that fails has its error as result; the others go on, also in the same shard."""
    script = Script()
    operations = [
        {"op": "set", "key": "a", "value": "text"},
        {"op": "increment", "key": "a", "by": 1},
        {"op": "set", "key": True, "value": 1},
        {"op": "set", "key": "k" * 2049, "value": 1},
        {"op": "set", "key": "b", "value": {"$nope": 1}},
        {"op": "set", "key": "b", "value": 2, "ttl_us": 0},
        {"op": "set", "key": "b", "value": 2},
        {"op": "increment", "key": "b", "by": 2**63 - 2},
        {"op": "increment_float", "key": "c", "by": {"$float": "inf"}},
        {"op": "get", "key": {"$float": "nan"}},
        {"op": "set", "key": "a", "value": "after the errors"},
    ]
    kinds = ["TypeMismatch", "InvalidKey", "TooLarge", "InvalidValue", "InvalidArgument"]
    results = [CLOCK, *map(error, kinds), CLOCK, error("Overflow"), error("InvalidArgument"), error("InvalidKey"), CLOCK + 1]
    script.do("apply", results, operations=operations)
    script.do("get_many", [{"value": "after the errors"}, {"value": 2}, None], keys=["a", "b", "c"])
    only_errors = [{"op": "set", "key": None, "value": 1}, {"op": "set", "key": "d", "value": {"$bytes": "?"}}]
    script.do("apply", [error("InvalidKey"), error("InvalidValue")], operations=only_errors)
    script.do("len", 2)
    return script


def apply_every_operation() -> Script:
    """Each single-key operation inside a batch answers as it does alone."""
    script = Script()
    operations: list[tuple[dict, object]] = [
        ({"op": "set", "key": "a", "value": 1, "ttl_us": 50}, CLOCK),
        ({"op": "get", "key": "a"}, {"value": 1}),
        ({"op": "exists", "key": "a"}, True),
        ({"op": "entry", "key": "a"}, {"value": 1, "version": CLOCK, "expires_at": CLOCK + 50, "size": 1}),
        ({"op": "ttl", "key": "a"}, {"expires_at": CLOCK + 50}),
        ({"op": "set", "key": "a", "value": 2, "keep_ttl": True}, CLOCK + 1),
        ({"op": "set", "key": "a", "value": 3, "if": {"version": CLOCK}}, None),
        ({"op": "increment", "key": "a", "by": 40}, 42),
        ({"op": "increment_float", "key": "a", "by": 0.5}, 42.5),
        ({"op": "persist", "key": "a"}, True),
        ({"op": "persist", "key": "a"}, False),
        ({"op": "expire", "key": "a", "ttl_us": 10}, True),
        ({"op": "expire", "key": "none", "expires_at": 1}, False),
        ({"op": "add", "key": "a", "value": 0}, False),
        ({"op": "replace", "key": "a", "value": "r"}, True),
        ({"op": "ttl", "key": "a"}, {"expires_at": None}),
        ({"op": "compare_and_set", "key": "a", "expected": "x", "value": 0}, False),
        ({"op": "compare_and_set", "key": "a", "expected": "r", "value": "c"}, True),
        ({"op": "take", "key": "a"}, {"value": "c"}),
        ({"op": "delete", "key": "a"}, False),
        ({"op": "compare_and_set", "key": "a", "value": "n"}, True),
        ({"op": "add", "key": "b", "value": None}, True),
        ({"op": "delete", "key": "b"}, True),
    ]
    script.do("apply", [result for _, result in operations], operations=[operation for operation, _ in operations])
    script.do("items", [["a", "n"]])
    return script
