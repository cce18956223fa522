"""Single keys: storing, reading, removing, and every type."""

from cases.scripts.build import CLOCK, Script
from cases.scripts.samples import KEYS, VALUES


def overwrite() -> Script:
    """A key is overwritten with other values, other sizes and equal bytes; every write makes a version."""
    script = Script()
    script.set("user:1001", {"name": "Ada", "age": 36}, CLOCK)
    script.get("user:1001", {"age": 36, "name": "Ada"})
    script.set("user:1001", {"name": "Ada", "age": 37}, CLOCK + 1)
    script.set("user:1001", {"age": 37, "name": "Ada"}, CLOCK + 2)
    script.set("user:1001", "other type", CLOCK + 3)
    script.set("user:1001", "x" * 500, CLOCK + 4)
    script.set("user:1001", 0, CLOCK + 5)
    script.set("user:1002", "neighbour", CLOCK)
    script.get("user:1001", 0)
    script.get("user:1002", "neighbour")
    script.do("len", 2)
    return script


def delete() -> Script:
    """Deleting says whether the key was there; a deleted key starts its versions at the clock again."""
    script = Script()
    script.do("delete", False, key="a")
    script.set("a", 1, CLOCK)
    script.set("a", 2, CLOCK + 1)
    script.do("exists", True, key="a")
    script.do("delete", True, key="a")
    script.do("delete", False, key="a")
    script.do("exists", False, key="a")
    script.get("a")
    script.do("entry", None, key="a")
    script.set("a", 3, CLOCK)
    script.get("a", 3)
    script.do("delete", True, key="a")
    script.do("len", 0)
    return script


def take() -> Script:
    """Taking returns the value and removes the row; an expired row is removed too, but not returned."""
    script = Script()
    script.do("take", None, key="a")
    script.set("a", [1, 2])
    script.do("take", {"value": [1, 2]}, key="a")
    script.do("take", None, key="a")
    script.get("a")
    script.set("nil", None)
    script.do("take", {"value": None}, key="nil")
    script.set("late", 1, CLOCK, ttl_us=5)
    script.set("late", 2, CLOCK + 1, ttl_us=5)
    script.do("tick", None, us=5)
    script.do("take", None, key="late")
    script.do("tick", None, us=-5)
    script.set("late", 3, CLOCK)
    script.do("take", {"value": 3}, key="late")
    return script


def entry() -> Script:
    """An entry tells version, deadline and the size of the body."""
    script = Script()
    script.do("entry", None, key="a")
    script.set("a", {"name": "Ada", "age": 36})
    script.do("entry", {"value": {"age": 36, "name": "Ada"}, "version": CLOCK, "expires_at": None, "size": 15}, key="a")
    script.set("b", None, expires_at=CLOCK + 60_000_000)
    script.do("entry", {"value": None, "version": CLOCK, "expires_at": CLOCK + 60_000_000, "size": 1}, key="b")
    script.set("b", "x" * 300, ttl_us=1)
    script.do("entry", {"value": "x" * 300, "version": CLOCK + 1, "expires_at": CLOCK + 1, "size": 303}, key="b")
    script.do("tick", None, us=1)
    script.do("entry", None, key="b")
    script.do("ttl", {"expires_at": None}, key="a")
    script.do("ttl", None, key="b")
    return script


def value_types() -> Script:
    """Every type of value is stored and read back, in one key after the other and then over one key."""
    script = Script()
    for number, value in enumerate(VALUES):
        script.set(f"value:{number}", value, CLOCK)
        script.get(f"value:{number}", value)
    for number, value in enumerate(VALUES):
        script.set("one", value, CLOCK + number)
    script.do("get_many", [{"value": value} for value in VALUES], keys=[f"value:{number}" for number in range(len(VALUES))])
    script.do("items")
    return script


def key_types() -> Script:
    """Every type of key; text, bytes and numbers that look alike are different keys."""
    script = Script()
    for number, key in enumerate(KEYS):
        script.set(key, number, CLOCK)
    for number, key in enumerate(KEYS):
        script.get(key, number)
    script.do("len", len(KEYS))
    script.do("keys")
    script.do("items")
    for key in KEYS[::2]:
        script.do("delete", True, key=key)
    script.do("keys")
    script.do("reopen", None)
    script.do("items")
    return script


def number_keys() -> Script:
    """One number, one key: an integral float in range is the integer key."""
    script = Script()
    script.set(1.0, "float", CLOCK)
    script.get(1, "float")
    script.set(1, "integer", CLOCK + 1)
    script.get(1.0, "integer")
    script.set(-0.0, "zero", CLOCK)
    script.set(0, "zero", CLOCK + 1)
    script.set(0.0, "zero", CLOCK + 2)
    script.set(9007199254740992.0, "2^53", CLOCK)
    script.get(2**53, "2^53")
    script.get(2**53 + 1)
    script.set(-9223372036854775808.0, "least", CLOCK)
    script.get(-(2**63), "least")
    script.set(9223372036854775808.0, "a float key", CLOCK)
    script.get(9223372036854775808.0, "a float key")
    script.get(2**63 - 1)
    script.set(1e2, "hundred", CLOCK)
    script.do("delete", True, key=100)
    script.do("len", 5)
    script.do("keys")
    return script


def nil_and_miss() -> Script:
    """A stored nil is not a miss."""
    script = Script()
    script.get("a")
    script.set("a", None, CLOCK)
    script.get("a", None)
    script.do("exists", True, key="a")
    script.do("add", False, key="a", value=1)
    script.do("compare_and_set", False, key="a", value=1)
    script.do("compare_and_set", True, key="a", expected=None, value=None)
    script.do("get_many", [{"value": None}, None], keys=["a", "b"])
    script.do("values", [None])
    script.do("items", [["a", None]])
    script.do("len", 1)
    return script


def empty_keys() -> Script:
    """The empty text and the empty byte string are ordinary keys, and different ones."""
    script = Script()
    script.set("", "text", CLOCK)
    script.get({"$bytes": ""})
    script.set({"$bytes": ""}, "bytes", CLOCK)
    script.get("", "text")
    script.get({"$bytes": ""}, "bytes")
    script.do("keys", prefix="", gives=[""])
    script.do("len", 2)
    script.do("delete", True, key="")
    script.get({"$bytes": ""}, "bytes")
    return script


def unicode() -> Script:
    """No normalisation, no case folding, U+0000 inside keys and values; maps in byte order."""
    script = Script()
    texts = ["\u00e9", "e\u0301", "\u212b", "\u00c5", "\0", "\0\0", "a\0", "a", "A", "\ufeffa", "\ufffd", "\uffff", "\U00010000"]
    texts += ["\U0010ffff", "\u05e9\u05dc\u05d5\u05dd", "\u4f60\u597d", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\x7f", "\u2028", "\"\\/"]
    for text in texts:
        script.set(text, text, CLOCK)
    for text in texts:
        script.get(text, text)
    script.set("map", {text: number for number, text in enumerate(texts)})
    script.do("get", key="map")
    script.do("len", len(texts) + 1)
    script.do("items")
    script.do("keys", prefix="a")
    script.do("keys", prefix="\0")
    return script


def reopen() -> Script:
    """Nothing changes by closing and opening, neither rows nor versions nor deadlines."""
    script = Script()
    script.do("reopen", None)
    script.set("a", 1, CLOCK)
    script.set("a", 2, CLOCK + 1)
    script.set("b", 2, CLOCK, ttl_us=10)
    script.do("reopen", None)
    script.do("reopen", None)
    script.get("a", 2)
    script.set("a", 3, CLOCK + 2)
    script.do("tick", None, us=9)
    script.do("reopen", None)
    script.get("b", 2)
    script.do("tick", None, us=1)
    script.get("b")
    script.do("reopen", None)
    script.get("b")
    script.do("len", 1)
    return script


def missing_shards() -> Script:
    """No operation makes a shard file unless a row is stored: only the shard of the last key exists at the end."""
    script = Script()
    keys = [f"key:{number}" for number in range(40)]
    for key in keys[:8]:
        script.get(key)
        script.do("take", None, key=key)
        script.do("exists", False, key=key)
        script.do("delete", False, key=key)
        script.do("entry", None, key=key)
        script.do("ttl", None, key=key)
        script.do("persist", False, key=key)
        script.do("expire", False, key=key, ttl_us=1)
        script.do("replace", False, key=key, value=1)
        script.set(key, 1, None, if_="present")
        script.set(key, 1, None, if_={"version": CLOCK})
        script.do("compare_and_set", False, key=key, expected=1, value=2)
    script.do("get_many", [None] * 40, keys=keys)
    script.do("delete_many", [False] * 40, keys=keys)
    script.do("apply", [False] * 40, operations=[{"op": "delete", "key": key} for key in keys])
    script.do("keys", [])
    script.do("len", 0)
    script.do("clear", None)
    script.set("user:1001", 1, CLOCK)
    return script
