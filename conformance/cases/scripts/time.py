"""Versions and deadlines."""

from cases.scripts.build import CLOCK, Script, error


def fixed_clock() -> Script:
    """While the clock stands still, the versions of a key count up; those of different keys are equal."""
    script = Script()
    for number in range(5):
        script.set("a", number, CLOCK + number)
    script.set("b", 0, CLOCK)
    script.do("tick", None, us=2)
    script.set("a", 5, CLOCK + 5)
    script.set("b", 1, CLOCK + 2)
    script.do("tick", None, us=1_000_000)
    script.set("a", 6, CLOCK + 1_000_002)
    script.set("b", 2, CLOCK + 1_000_002)
    script.do("tick", None, us=321_097)
    script.set("c", "microsecond 0", CLOCK + 1_321_099)
    script.set("c", "microsecond 1", CLOCK + 1_321_100)
    return script


def clock_back() -> Script:
    """A clock that steps back neither reorders nor repeats the versions of a row; a deleted row's are forgotten."""
    script = Script()
    script.set("a", 1, CLOCK)
    script.do("tick", None, us=-3_600_000_000)
    script.set("a", 2, CLOCK + 1)
    script.set("b", 1, CLOCK - 3_600_000_000)
    script.set("a", 3, CLOCK + 2)
    script.do("increment", 4, key="a", by=1)
    script.do("entry", {"value": 4, "version": CLOCK + 3, "expires_at": None, "size": 1}, key="a")
    script.do("delete", True, key="a")
    script.set("a", 5, CLOCK - 3_600_000_000)
    script.do("tick", None, us=3_600_000_000)
    script.set("a", 6, CLOCK)
    script.set("ttl", 1, CLOCK, ttl_us=1)
    script.do("tick", None, us=1)
    script.get("ttl")
    script.do("tick", None, us=-1)
    script.get("ttl", 1)
    return script


def before_1970() -> Script:
    """Versions before 1970: seconds are rounded down, so that microseconds are never negative."""
    script = Script(clock=-1)
    script.set("a", 1, -1)
    script.set("a", 2, 0)
    script.set("a", 3, 1)
    script.do("tick", None, us=-999_999)
    script.set("b", 1, -1_000_000)
    script.do("tick", None, us=-1)
    script.set("c", 1, -1_000_001)
    script.do("entry", {"value": 1, "version": -1_000_001, "expires_at": None, "size": 1}, key="c")
    script.set("d", 1, -1_000_001, ttl_us=500)
    script.do("ttl", {"expires_at": -999_501}, key="d")
    script.do("tick", None, us=-62_135_596_800_000_000)
    script.set("e", 1, -62_135_596_801_000_001)
    script.do("reopen", None)
    script.set("e", 2, -62_135_596_801_000_000)
    script.do("items")
    return script


def ttl() -> Script:
    """A time to live counts from the clock; a later set without one clears it."""
    script = Script()
    script.set("a", 1, CLOCK, ttl_us=1_000_000)
    script.do("ttl", {"expires_at": CLOCK + 1_000_000}, key="a")
    script.do("tick", None, us=600_000)
    script.set("a", 2, CLOCK + 600_000, ttl_us=1_000_000)
    script.do("tick", None, us=600_000)
    script.get("a", 2)
    script.set("a", 3, CLOCK + 1_200_000)
    script.do("ttl", {"expires_at": None}, key="a")
    script.do("tick", None, us=10_000_000)
    script.get("a", 3)
    script.set("b", 1, ttl_us=1)
    script.set("b", 1, expires_at=CLOCK + 3_600_000_000)
    script.do("ttl", {"expires_at": CLOCK + 3_600_000_000}, key="b")
    script.do("ttl", None, key="missing")
    return script


def deadline_reached() -> Script:
    """A row is expired from the very microsecond of its deadline, for every operation that reads."""
    script = Script()
    script.set("user:1001", {"name": "Ada", "age": 36}, CLOCK, ttl_us=3_600_000_000)
    script.set("stays", 1)
    script.do("tick", None, us=3_599_999_999)
    script.do("exists", True, key="user:1001")
    script.do("len", 2)
    script.do("tick", None, us=1)
    script.get("user:1001")
    script.do("exists", False, key="user:1001")
    script.do("entry", None, key="user:1001")
    script.do("ttl", None, key="user:1001")
    script.do("get_many", [None, {"value": 1}], keys=["user:1001", "stays"])
    script.do("persist", False, key="user:1001")
    script.do("expire", False, key="user:1001", ttl_us=100)
    script.do("replace", False, key="user:1001", value=1)
    script.do("keys", ["stays"])
    script.do("values", [1])
    script.do("items", [["stays", 1]])
    script.do("len", 1)
    return script


def expired_overwrite() -> Script:
    """An expired row that is still stored counts as the row to replace: its version stays behind the new one."""
    script = Script()
    for number in range(20):
        script.set("a", number, CLOCK + number, ttl_us=5)
    script.do("tick", None, us=5)
    script.get("a")
    script.set("a", "new", CLOCK + 20)
    script.do("ttl", {"expires_at": None}, key="a")
    for number in range(20):
        script.set("b", number, CLOCK + 5 + number, ttl_us=5)
    script.do("tick", None, us=5)
    script.do("add", True, key="b", value="new")
    script.do("entry", {"value": "new", "version": CLOCK + 25, "expires_at": None, "size": 4}, key="b")
    script.do("tick", None, us=100)
    script.set("c", 1, CLOCK + 110, expires_at=CLOCK)
    script.get("c")
    script.do("increment", 1, key="c", by=1)
    script.do("entry", {"value": 1, "version": CLOCK + 111, "expires_at": None, "size": 1}, key="c")
    return script


def expired_delete() -> Script:
    """Deleting an expired row removes it, but says that nothing was there; then versions start at the clock again."""
    script = Script()
    for number in range(20):
        script.set("a", number, ttl_us=5)
        script.set("b", number, ttl_us=5)
    script.do("tick", None, us=5)
    script.do("delete", False, key="a")
    script.do("delete_many", [False, False], keys=["b", "missing"])
    script.set("a", "new", CLOCK + 5)
    script.set("b", "new", CLOCK + 5)
    script.set("kept", 1, ttl_us=1)
    script.do("tick", None, us=1)
    script.do("len", 2)
    return script


def expire() -> Script:
    """Giving a row another deadline is a write; a deadline in the past expires it at once."""
    script = Script()
    script.do("expire", False, key="a", ttl_us=10)
    script.set("a", "v", CLOCK)
    script.do("expire", True, key="a", ttl_us=10)
    script.do("entry", {"value": "v", "version": CLOCK + 1, "expires_at": CLOCK + 10, "size": 2}, key="a")
    script.do("expire", True, key="a", expires_at=CLOCK + 20)
    script.do("expire", True, key="a", expires_at=CLOCK + 20)
    script.do("entry", {"value": "v", "version": CLOCK + 3, "expires_at": CLOCK + 20, "size": 2}, key="a")
    script.do("tick", None, us=19)
    script.get("a", "v")
    script.do("tick", None, us=1)
    script.get("a")
    script.do("expire", False, key="a", ttl_us=10)
    script.set("b", "v")
    script.do("expire", True, key="b", expires_at=CLOCK)
    script.get("b")
    script.do("expire", False, key="b", ttl_us=10)
    script.set("c", "v")
    script.do("expire", True, key="c", expires_at=CLOCK + 20)
    script.get("c")
    script.set("d", "v")
    script.do("expire", error("InvalidArgument"), key="d", ttl_us=0)
    script.do("expire", error("InvalidArgument"), key="d", ttl_us=1, expires_at=1)
    script.do("ttl", {"expires_at": None}, key="d")
    return script


def persist() -> Script:
    """Taking a deadline away is a write; without one there is nothing to do."""
    script = Script()
    script.do("persist", False, key="a")
    script.set("a", [1], CLOCK, ttl_us=10)
    script.do("persist", True, key="a")
    script.do("entry", {"value": [1], "version": CLOCK + 1, "expires_at": None, "size": 2}, key="a")
    script.do("persist", False, key="a")
    script.do("entry", {"value": [1], "version": CLOCK + 1, "expires_at": None, "size": 2}, key="a")
    script.do("tick", None, us=10)
    script.get("a", [1])
    script.set("b", 1, ttl_us=1)
    script.do("tick", None, us=1)
    script.do("persist", False, key="b")
    script.get("b")
    return script


def keep_ttl() -> Script:
    """Set with keep_ttl keeps the deadline of an unexpired row, and no other."""
    script = Script()
    script.set("a", 1, CLOCK, keep_ttl=True)
    script.do("ttl", {"expires_at": None}, key="a")
    script.set("a", 2, CLOCK + 1, ttl_us=10)
    script.set("a", 3, CLOCK + 2, keep_ttl=True)
    script.do("entry", {"value": 3, "version": CLOCK + 2, "expires_at": CLOCK + 10, "size": 1}, key="a")
    script.set("a", 4, CLOCK + 3, keep_ttl=False)
    script.do("ttl", {"expires_at": None}, key="a")
    script.set("a", 5, CLOCK + 4, expires_at=CLOCK + 10)
    script.set("a", 6, CLOCK + 5, if_="present", keep_ttl=True)
    script.do("ttl", {"expires_at": CLOCK + 10}, key="a")
    script.do("tick", None, us=10)
    script.set("a", 7, CLOCK + 10, keep_ttl=True)
    script.do("ttl", {"expires_at": None}, key="a")
    script.set("a", 8, error("InvalidArgument"), keep_ttl=True, ttl_us=1)
    script.set("a", 8, error("InvalidArgument"), keep_ttl=True, expires_at=1)
    script.get("a", 7)
    return script


def deadline_bounds() -> Script:
    """Deadlines are signed 64 bits: the greatest, zero, negative ones, and sums that leave the range."""
    script = Script()
    greatest, least = 2**63 - 1, -(2**63)
    script.set("greatest", 1, CLOCK, expires_at=greatest)
    script.do("ttl", {"expires_at": greatest}, key="greatest")
    script.set("sum", 1, CLOCK, ttl_us=greatest - CLOCK)
    script.do("ttl", {"expires_at": greatest}, key="sum")
    script.set("sum", 2, error("InvalidArgument"), ttl_us=greatest - CLOCK + 1)
    script.set("sum", 2, error("InvalidArgument"), ttl_us=greatest)
    script.get("sum", 1)
    for name, deadline in (("zero", 0), ("negative", -1), ("least", least)):
        script.set(name, 1, CLOCK, expires_at=deadline)
        script.get(name)
    script.do("len", 2)
    script.set("next", 1, CLOCK, expires_at=CLOCK + 1)
    script.get("next", 1)
    script.set("now", 1, CLOCK, expires_at=CLOCK)
    script.get("now")
    return script


def hints() -> Script:
    """Expiry rows are hints: older ones stay when a row is replaced or deleted, equal ones are stored once."""
    script = Script()
    for number, ttl_us in enumerate((100, 50, 100, 200, 50)):
        script.set("a", number, CLOCK + number, ttl_us=ttl_us)
    script.set("a", 5, CLOCK + 5)
    script.set("b", 1, CLOCK, ttl_us=100)
    script.do("delete", True, key="b")
    script.set("c", 1, CLOCK, ttl_us=100)
    script.do("persist", True, key="c")
    script.do("expire", True, key="c", ttl_us=100)
    script.do("increment", 2, key="c", by=1)
    script.set("c", 3, CLOCK + 4, keep_ttl=True)
    script.do("tick", None, us=100)
    script.do("items", [["a", 5]])
    return script
