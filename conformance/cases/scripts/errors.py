"""Refused operations: the error, and nothing left behind."""

from cases.scripts.build import CLOCK, Script, error

BAD_KEYS = [
    None, True, False, [], ["a"], {}, {"a": 1}, {"$float": "nan"}, {"$float": "NaN"}, {"$bytes": "A"}, {"$nope": 1},
    {"$map": {"a": 1}}, {"$timestamp": "1970-01-01T00:00:00Z"}, {"$vector": ""}, 2**63, -(2**63) - 1, 2**64,
]  # fmt: skip

BAD_VALUES = [
    2**64, -(2**63) - 1, {"$nope": 1}, {"$bytes": "A"}, {"$bytes": 1}, {"$float": "x"}, {"$vector": "AAA="}, {"$map": 1},
    {"$timestamp": "yesterday"}, {"$timestamp": [0, 1_000_000_000]}, [1, [2, {"a": {"$bytes": "*"}}]],
]  # fmt: skip


def _deep(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


def bad_keys() -> Script:
    """What is no key is refused by every operation; no file is made."""
    script = Script()
    for key in BAD_KEYS:
        script.set(key, 1, error("InvalidKey"))
        script.do("get", error("InvalidKey"), key=key)
    for op in ("take", "exists", "delete", "entry", "ttl", "persist"):
        script.do(op, error("InvalidKey"), key=None)
        script.do(op, error("TooLarge"), key="k" * 2049)
    for op in ("add", "replace", "compare_and_set"):
        script.do(op, error("InvalidKey"), key=None, value=1)
        script.do(op, error("TooLarge"), key="k" * 2049, value=1)
    script.do("increment", error("InvalidKey"), key=True, by=1)
    script.do("increment_float", error("InvalidKey"), key=True, by=1.0)
    script.do("expire", error("InvalidKey"), key=True, ttl_us=1)
    script.do("len", 0)
    return script


def bad_values() -> Script:
    """What is no value is refused, also where a condition would have failed; the row stays as it was."""
    script = Script()
    for value in BAD_VALUES:
        script.set("a", value, error("InvalidValue"))
    script.set("a", _deep(65), error("TooLarge"))
    script.do("len", 0)
    script.set("a", _deep(64), CLOCK, ttl_us=1000)
    for value in BAD_VALUES:
        script.set("a", value, error("InvalidValue"))
        script.set("a", value, error("InvalidValue"), if_="absent")
        script.do("add", error("InvalidValue"), key="a", value=value)
        script.do("replace", error("InvalidValue"), key="a", value=value)
        script.do("compare_and_set", error("InvalidValue"), key="a", value=value)
        script.do("compare_and_set", error("InvalidValue"), key="a", expected=value, value=1)
    script.set("a", _deep(65), error("TooLarge"))
    script.do("entry", {"value": _deep(64), "version": CLOCK, "expires_at": CLOCK + 1000, "size": 64}, key="a")
    return script


def bad_arguments() -> Script:
    """Times to live that are not positive, and two deadlines at once, are refused."""
    script = Script()
    for ttl_us in (0, -1, -(2**63)):
        script.set("a", 1, error("InvalidArgument"), ttl_us=ttl_us)
        script.do("expire", error("InvalidArgument"), key="a", ttl_us=ttl_us)
    script.set("a", 1, error("InvalidArgument"), ttl_us=5, expires_at=CLOCK + 5)
    script.set("a", 1, error("InvalidArgument"), ttl_us=0, if_="present")
    script.do("expire", error("InvalidArgument"), key="a")
    script.do("expire", error("InvalidArgument"), key="a", ttl_us=5, expires_at=CLOCK + 5)
    script.do("len", 0)
    script.set("a", 1, CLOCK)
    script.set("a", 2, error("InvalidArgument"), ttl_us=0)
    script.do("entry", {"value": 1, "version": CLOCK, "expires_at": None, "size": 1}, key="a")
    return script


def batch_errors() -> Script:
    """One bad key or value refuses a whole set_many, get_many or delete_many before anything is written."""
    script = Script()
    script.set("kept", 1, CLOCK)
    script.do("set_many", error("InvalidKey"), items=[["a", 1], [None, 2], ["b", 3]])
    script.do("set_many", error("TooLarge"), items=[["a", 1], ["k" * 2049, 2]])
    script.do("set_many", error("InvalidValue"), items=[["kept", 2], ["b", {"$nope": 1}]])
    script.do("set_many", error("TooLarge"), items=[["kept", 2], ["b", _deep(65)]])
    script.do("delete_many", error("InvalidKey"), keys=["kept", [1]])
    script.do("get_many", error("InvalidKey"), keys=["kept", True])
    script.do("items", [["kept", 1]])
    script.do("entry", {"value": 1, "version": CLOCK, "expires_at": None, "size": 1}, key="kept")
    return script
