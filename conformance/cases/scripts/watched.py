"""What stashes log while somebody watches."""

from cases.scripts.build import CLOCK, Script
from cases.scripts.samples import KEYS

MINUTE = 60_000_000


def changes() -> Script:
    """While a stash is watched, each change is logged with its kind and version, and nothing else is."""
    script = Script()
    script.set("before", 1, CLOCK)
    script.do("watch", None, us=MINUTE)
    for number, key in enumerate(KEYS):
        script.set(key, number)
    script.get(KEYS[0], 0)
    script.do("add", False, key=KEYS[1], value=9)
    script.do("increment", key="n", by=5, gives=5)
    script.do("increment", key="n", by=-2, gives=3)
    script.do("persist", False, key="n")
    script.do("expire", True, key="n", ttl_us=1000)
    script.do("persist", True, key="n")
    script.do("delete", False, key="missing")
    script.do("delete", True, key="n")
    script.do("take", key=KEYS[2], gives={"value": 2})
    script.do("tick", None, us=500)
    script.set("short", "s", ttl_us=10)
    script.set("brief", "b", ttl_us=10)
    script.do("tick", None, us=10)
    script.do("delete", False, key="short")
    script.do("take", None, key="brief")
    script.do("reopen", None)
    script.do(
        "apply",
        operations=[
            {"op": "set", "key": "a", "value": 1},
            {"op": "increment", "key": "a", "by": 9223372036854775807},
            {"op": "delete", "key": "a"},
            {"op": "set", "key": "a", "value": 2},
            {"op": "get", "key": "a"},
        ],
    )
    script.do("set_many", items=[[f"many:{number}", number] for number in range(60)])
    script.do("delete_many", keys=[f"many:{number}" for number in range(0, 70, 3)])
    script.do("clear", None)
    script.do("clear", None)
    script.set("after", 1)
    return script


def changes_trimmed() -> Script:
    """The log loses rows older than a minute, or as far ahead, a few with each change; a watch can be renewed."""
    script = Script()
    script.do("watch", None, us=2 * MINUTE)
    for number in range(100):
        script.set("key", number)
    script.do("tick", None, us=MINUTE)
    script.set("key", "in time")
    script.do("tick", None, us=1)
    script.set("key", "late")
    script.do("watch", None, us=MINUTE // 2)
    script.do("watch", None, us=2 * MINUTE)
    script.do("get", {"value": "late"}, key="key")
    for number in range(4):
        script.set("key", number)
    script.do("tick", None, us=-3 * MINUTE)
    for number in range(12):
        script.set("key", number)
    script.do("tick", None, us=3 * MINUTE)
    script.set("key", "last")
    return script


def watch_ended() -> Script:
    """After the end of a watch nothing is logged, and the log is taken down in steps, but for its last row."""
    script = Script()
    script.do("watch", None, us=MINUTE)
    for number in range(0, 600, 100):
        script.do("apply", operations=[{"op": "set", "key": "key", "value": at} for at in range(number, number + 100)])
    script.set("other", 1, CLOCK)
    script.do("tick", None, us=MINUTE)
    script.get("key", 599)
    script.do("delete", False, key="missing")
    script.set("other", 2)
    script.set("key", "first step")
    script.set("key", "second step")
    script.do("reopen", None)
    script.set("key", "third step")
    script.set("key", "not logged")
    script.do("watch", None, us=MINUTE)
    script.set("key", "logged again")
    # A clock that was wrong: the mark lies too far ahead.
    script.do("tick", None, us=-60 * MINUTE)
    script.set("key", "not logged")
    script.set("key", "not logged")
    script.do("tick", None, us=-60 * MINUTE)
    script.do("watch", None, us=60 * MINUTE)
    script.set("key", "logged")
    return script
