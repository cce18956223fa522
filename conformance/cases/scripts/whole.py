"""Operations on all rows, and stashes of many rows."""

from cases.scripts.build import CLOCK, Script
from cases.scripts.samples import KEYS, VALUES


def order() -> Script:
    """Rows come by shard, slot and hash, whatever the order they were written in."""
    script = Script()
    numbers = [number * 37 % 60 for number in range(60)]
    for number in numbers:
        script.set(f"key:{number}", number, CLOCK)
    script.do("keys")
    script.do("values")
    script.do("items")
    for number in numbers[::4]:
        script.do("delete", True, key=f"key:{number}")
    for number in numbers[::8]:
        script.set(f"key:{number}", -number, CLOCK)
    script.do("reopen", None)
    script.do("items")
    return script


def prefix() -> Script:
    """A prefix matches text keys by their UTF-8 bytes, and no key of another type."""
    script = Script()
    texts = ["", "u", "user", "user:", "user:1", "user:2", "user:10", "User:1", "use", "\u00e9", "\u00e9a", "e\u0301", "%", "_", "user_", "user%1"]
    for text in texts:
        script.set(text, text)
    script.set({"$bytes": "dXNlcjox"}, "bytes of user:1")
    script.set(1, "integer")
    script.set(1.5, "float")
    script.do("len", len(texts) + 3)
    script.do("keys", prefix="user:")
    script.do("values", prefix="user:")
    script.do("items", prefix="user")
    for text in ("", "1", "%", "_", "user_", "\u00e9", "e", "none", "user:1\0"):
        script.do("keys", prefix=text)
    return script


def limit() -> Script:
    """A limit counts the rows that are returned, after prefix and expiry."""
    script = Script()
    for number in range(30):
        script.set(f"{'ab'[number % 2]}:{number}", number, **({"ttl_us": 5} if number % 3 == 0 else {}))
    for count in (0, 1, 2, 29, 30, 31, 1000):
        script.do("keys", limit=count)
    script.do("items", prefix="a:", limit=4)
    script.do("values", prefix="b:", limit=100)
    script.do("tick", None, us=5)
    script.do("keys", limit=7)
    script.do("items", prefix="a:", limit=4)
    script.do("values", prefix="c:", limit=4, gives=[])
    return script


def expired_listing() -> Script:
    """Expired rows are neither listed nor counted, though they are still stored."""
    script = Script()
    for number in range(24):
        script.set(f"key:{number}", number, CLOCK, ttl_us=number + 1)
    for past in (0, 1, 11, 11, 1):
        script.do("tick", None, us=past)
        script.do("len")
        script.do("keys")
    script.do("tick", None, us=-12)
    script.do("len", 12)
    return script


def clear() -> Script:
    """Clearing removes every row and every expiry row, and keeps the files; versions start at the clock again."""
    script = Script()
    script.do("clear", None)
    for number in range(40):
        script.set(f"key:{number}", "v" * number * 20, ttl_us=1000 + number)
        script.set(f"key:{number}", number, CLOCK + 1)
    script.do("clear", None)
    script.do("len", 0)
    script.do("keys", [])
    script.get("key:1")
    script.do("clear", None)
    script.set("key:1", 1, CLOCK)
    script.set("key:2", 2, CLOCK, ttl_us=7)
    script.do("reopen", None)
    script.do("clear", None)
    script.set("key:3", 3, CLOCK)
    script.do("items", [["key:3", 3]])
    return script


def many_rows() -> Script:
    """Two thousand small rows over all tables, with deletions and overwriting, so that trees split and pages are freed."""
    script = Script()
    for start in range(0, 2000, 250):
        script.do("set_many", [CLOCK] * 250, items=[[f"row:{number}", number] for number in range(start, start + 250)])
    script.do("len", 2000)
    script.do("delete_many", [True] * 400, keys=[f"row:{number}" for number in range(0, 2000, 5)])
    script.do("len", 1600)
    script.do("set_many", [CLOCK + 1] * 200, items=[[f"row:{number}", f"again {number}"] for number in range(1, 1000, 5)])
    script.do("reopen", None)
    script.do("keys", limit=100)
    script.do("items", prefix="row:19")
    script.do("set_many", [CLOCK] * 100, items=[[f"row:{number}", None] for number in range(0, 500, 5)])
    script.do("len", 1700)
    return script


def all_tables() -> Script:
    """Integer keys over all sixteen shards and four slots, with one write each."""
    script = Script()
    for number in range(-120, 120):
        script.set(number, number * number, CLOCK)
    script.do("len", 240)
    script.do("keys")
    return script


def mixed() -> Script:
    """Every type of key with every type of value, under a moving clock, with deadlines, deletions and reopening."""
    script = Script()
    for turn in range(4):
        for number, key in enumerate(KEYS):
            value = VALUES[(number * 7 + turn * 11) % len(VALUES)]
            deadline = {"ttl_us": 1 + number * 40} if (number + turn) % 3 == 0 else {}
            script.set(key, value, **deadline)
        script.do("tick", None, us=(300, -200, 450, 1_000_000)[turn])
        for key in KEYS[turn::5]:
            script.do("delete", key=key)
        script.do("items")
        if turn % 2:
            script.do("reopen", None)
    for key in KEYS:
        script.do("entry", key=key)
    return script
