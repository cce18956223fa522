"""Deadlines that slide, a default for rows that say none, and removing what is over."""

from cases.scripts.build import CLOCK, Script, error

HOUR = 3_600_000_000


def entry(value: object, version: int, expires_at: int | None, **window: int) -> dict:
    return {"value": value, "version": version, "expires_at": expires_at, "size": 1} | window


def sliding() -> Script:
    """A get begins the window anew once an eighth of it has passed; the version stays, and the old hint too."""
    script = Script()
    script.set("a", 1, CLOCK, idle_us=800)
    script.do("entry", entry(1, CLOCK, CLOCK + 800, idle_us=800), key="a")
    script.do("tick", None, us=99)
    script.get("a", 1)
    script.do("sweep", {"rows": 0, "hints": 0})
    script.do("ttl", {"expires_at": CLOCK + 800}, key="a")
    script.do("tick", None, us=1)
    script.get("a", 1)
    script.do("ttl", {"expires_at": CLOCK + 800}, key="a")
    script.do("sweep", {"rows": 0, "hints": 0})
    script.do("entry", entry(1, CLOCK, CLOCK + 900, idle_us=800), key="a")
    script.do("tick", None, us=700)
    script.get("a", 1)
    script.do("reopen", None)
    script.do("ttl", {"expires_at": CLOCK + 1600}, key="a")
    script.do("tick", None, us=799)
    script.get("a", 1)
    script.do("tick", None, us=1)
    script.get("a")
    script.do("sweep", {"rows": 1, "hints": 3})
    script.set("b", 1, CLOCK + 1600, idle_us=800)
    script.do("tick", None, us=400)
    script.get("b", 1)
    return script


def sliding_uses() -> Script:
    """Which operations are uses, and that the last use counts. Nothing brings an expired or rewritten row back."""
    script = Script()
    for key in ("looked at", "got", "many", "batch", "mixed", "rewritten", "deleted", "expired", "failed"):
        script.set(key, 1, CLOCK, idle_us=HOUR)
    script.do("expire", True, key="expired", idle_us=HOUR // 2 + 1)
    script.do("tick", None, us=HOUR // 2)
    script.do("exists", True, key="looked at")
    script.do("entry", entry(1, CLOCK, CLOCK + HOUR, idle_us=HOUR), key="looked at")
    script.do("items")
    script.get("got", 1)
    script.do("tick", None, us=-5)
    script.get("got", 1)
    script.do("tick", None, us=5)
    script.do("get_many", [{"value": 1}], keys=["many"])
    script.do("apply", [{"value": 1}], operations=[{"op": "get", "key": "batch"}])
    both = [{"op": "get", "key": "mixed"}, {"op": "set", "key": "plain", "value": 1}]
    script.do("apply", [{"value": 1}, CLOCK + HOUR // 2], operations=both)
    script.do("get_many", [{"value": 1}] * 3, keys=["rewritten", "deleted", "expired"])
    script.set("rewritten", 2, CLOCK + HOUR // 2, ttl_us=7)
    script.do("delete", True, key="deleted")
    script.do("add", False, key="failed", value=2)
    script.do("compare_and_set", False, key="failed", expected=2, value=3)
    script.do("tick", None, us=1)
    script.do("sweep", {"rows": 1, "hints": 1})
    for key in ("got", "many", "batch", "mixed"):
        script.do("ttl", {"expires_at": CLOCK + HOUR // 2 + HOUR}, key=key)
    for key in ("looked at", "failed"):
        script.do("ttl", {"expires_at": CLOCK + HOUR}, key=key)
    script.do("ttl", {"expires_at": CLOCK + HOUR // 2 + 7}, key="rewritten")
    script.do("ttl", None, key="expired")
    return script


def sliding_kept() -> Script:
    """A write that keeps a sliding deadline begins it anew; one that says a deadline, or none, replaces it."""
    script = Script()
    script.set("a", 1, CLOCK, idle_us=100)
    script.do("tick", None, us=1)
    script.do("increment", 2, key="a", by=1)
    script.do("entry", entry(2, CLOCK + 1, CLOCK + 101, idle_us=100), key="a")
    script.do("tick", None, us=1)
    script.set("a", 3, CLOCK + 2, keep_ttl=True)
    script.do("entry", entry(3, CLOCK + 2, CLOCK + 102, idle_us=100), key="a")
    script.do("tick", None, us=-2)
    script.do("increment_float", 3.5, key="a", by=0.5)
    script.do("ttl", {"expires_at": CLOCK + 100}, key="a")
    script.do("expire", True, key="a", ttl_us=50)
    script.do("increment_float", 4.0, key="a", by=0.5)
    script.do("ttl", {"expires_at": CLOCK + 50}, key="a")
    script.do("expire", True, key="a", idle_us=70)
    script.do("ttl", {"expires_at": CLOCK + 70}, key="a")
    script.do("persist", True, key="a")
    script.do("ttl", {"expires_at": None}, key="a")
    script.set("b", 1, CLOCK, idle_us=100)
    script.set("b", 2, CLOCK + 1)
    script.do("entry", entry(2, CLOCK + 1, None), key="b")
    return script


def sliding_bounds() -> Script:
    """The shortest and the longest window, and deadlines that exclude each other."""
    script = Script()
    greatest = 2**63 - 1
    script.set("a", 1, CLOCK, idle_us=1)
    script.get("a", 1)
    script.do("tick", None, us=1)
    script.get("a")
    script.set("a", 1, CLOCK + 1, idle_us=greatest - CLOCK - 1)
    script.do("ttl", {"expires_at": greatest}, key="a")
    script.do("tick", None, us=2**61)
    script.get("a", 1)
    script.do("sweep", {"rows": 0, "hints": 1})
    script.do("ttl", {"expires_at": greatest}, key="a")
    for wrong in (
        {"idle_us": 0},
        {"idle_us": -1},
        {"idle_us": greatest},
        {"idle_us": 1, "ttl_us": 1},
        {"idle_us": 1, "expires_at": 1},
        {"idle_us": 1, "expires_at": None},
    ):
        script.set("b", 1, error("InvalidArgument"), **wrong)
        script.do("expire", error("InvalidArgument"), key="a", **wrong)
    script.set("b", 1, error("InvalidArgument"), idle_us=1, keep_ttl=True)
    script.set("b", 1, error("InvalidArgument"), expires_at=None, keep_ttl=True)
    script.do("exists", False, key="b")
    return script


def touch() -> Script:
    """Touch begins a window anew at once, also a little later, and keeps the version. Other rows it leaves as they are."""
    script = Script()
    script.do("touch", False, key="missing")
    script.set("a", 1, CLOCK, idle_us=800)
    script.do("touch", True, key="a")
    script.do("tick", None, us=1)
    script.do("touch", True, key="a")
    script.do("entry", entry(1, CLOCK, CLOCK + 801, idle_us=800), key="a")
    script.do("tick", None, us=-10)
    script.do("touch", True, key="a")
    script.do("entry", entry(1, CLOCK, CLOCK + 791, idle_us=800), key="a")
    script.set("fixed", 1, CLOCK - 9, ttl_us=5)
    script.set("plain", 1, CLOCK - 9)
    script.do("apply", [True, True], operations=[{"op": "touch", "key": "fixed"}, {"op": "touch", "key": "plain"}])
    script.do("entry", entry(1, CLOCK - 9, CLOCK - 4), key="fixed")
    script.do("entry", entry(1, CLOCK - 9, None), key="plain")
    script.do("tick", None, us=5)
    script.do("touch", False, key="fixed")
    script.set("a", 2, CLOCK + 1, keep_ttl=True)
    return script


def sweep() -> Script:
    """A sweep removes rows by the deadline in their record, and all hints that are due. The version starts anew then."""
    script = Script()
    script.do("sweep", {"rows": 0, "hints": 0})
    for number in range(60):
        script.set(number, number, CLOCK, ttl_us=100 + number)
    script.set(0, "rewritten", CLOCK + 1)
    script.do("expire", True, key=1, ttl_us=1000)
    script.do("persist", True, key=2)
    script.do("delete", True, key=3)
    for number in range(4, 10):
        script.set(number, "again", CLOCK + 1, ttl_us=90)
    script.do("sweep", {"rows": 0, "hints": 0})
    script.do("tick", None, us=99)
    script.do("len", 53)
    script.do("sweep", {"rows": 6, "hints": 6})
    script.do("tick", None, us=31)
    script.do("sweep", {"rows": 21, "hints": 31})
    script.do("sweep", {"rows": 0, "hints": 0})
    script.do("len", 32)
    script.do("exists", True, key=0)
    script.do("ttl", {"expires_at": CLOCK + 1000}, key=1)
    script.set(30, "new", CLOCK + 130)
    script.do("reopen", None)
    script.do("tick", None, us=10_000_000_000)
    script.do("sweep", {"rows": 30, "hints": 30})
    script.do("keys")
    return script


def default_ttl() -> Script:
    """A default time to live is for every row that is made without saying a deadline, and for no other."""
    script = Script(default_ttl_us=1_000)
    default = {"expires_at": CLOCK + 1_000}
    script.set("set", 1, CLOCK)
    script.do("add", True, key="add", value=1)
    script.do("increment", 1, key="increment", by=1)
    script.do("increment_float", 0.5, key="float", by=0.5)
    script.do("compare_and_set", True, key="cas", value=1)
    script.do("compare_and_set", True, key="cas", expected=1, value=2)
    script.do("set_many", [CLOCK], items=[["many", 1]])
    script.do("apply", [CLOCK], operations=[{"op": "set", "key": "apply", "value": 1}])
    script.set("kept", 1, CLOCK, keep_ttl=True)
    script.set("replaced", 1, CLOCK, ttl_us=5)
    script.do("replace", True, key="replaced", value=2)
    for key in ("set", "add", "increment", "float", "cas", "many", "apply", "kept", "replaced"):
        script.do("ttl", default, key=key)
    script.set("own", 1, CLOCK, ttl_us=5)
    script.do("ttl", {"expires_at": CLOCK + 5}, key="own")
    script.do("tick", None, us=500)
    script.do("increment", 2, key="increment", by=1)
    script.set("kept", 2, CLOCK + 500, keep_ttl=True)
    script.do("ttl", default, key="increment")
    script.do("ttl", default, key="kept")
    script.do("persist", True, key="set")
    script.do("reopen", None)
    script.do("tick", None, us=500)
    script.do("keys", ["set"])
    script.do("increment", 1, key="increment", by=1)
    script.do("ttl", {"expires_at": CLOCK + 2_000}, key="increment")
    return script


def never() -> Script:
    """Saying that there is no deadline is not the same as saying nothing, where there is a default."""
    script = Script(default_ttl_us=1_000)
    script.set("a", 1, CLOCK, expires_at=None)
    script.do("ttl", {"expires_at": None}, key="a")
    script.set("a", 2, CLOCK + 1, keep_ttl=True)
    script.do("increment", 3, key="a", by=1)
    script.do("ttl", {"expires_at": None}, key="a")
    script.set("a", 4, CLOCK + 3)
    script.do("ttl", {"expires_at": CLOCK + 1_000}, key="a")
    script.do("expire", True, key="a", expires_at=None)
    script.do("entry", entry(4, CLOCK + 4, None), key="a")
    script.do("expire", True, key="a", expires_at=None)
    script.do("expire", False, key="b", expires_at=None)
    script.set("b", 1, CLOCK, if_="absent", expires_at=None)
    script.do("ttl", {"expires_at": None}, key="b")
    script.do("persist", False, key="a")
    return script


def expire_older_than() -> Script:
    """Rows go by the age of their last write, whatever was read or touched since; expired rows do not count."""
    script = Script()
    script.do("expire_older_than", 0, age_us=0)
    for number in range(40):
        script.set(f"old:{number}", number, CLOCK)
    script.set("other", 1, CLOCK)
    script.set(5, 1, CLOCK)
    script.set("old:touched", 1, CLOCK, idle_us=10_000)
    script.set("old:expired", 1, CLOCK, ttl_us=1)
    script.do("tick", None, us=100)
    script.do("touch", True, key="old:touched")
    script.do("increment", 8, key="old:7", by=1)
    script.do("expire_older_than", 0, age_us=100)
    script.do("expire_older_than", 40, age_us=99, prefix="old:")
    script.do("keys")
    script.do("expire_older_than", 0, age_us=2**63 - 1)
    script.do("expire_older_than", error("InvalidArgument"), age_us=-1)
    script.do("tick", None, us=1)
    script.do("expire_older_than", 3, age_us=0)
    script.do("len", 0)
    script.do("sweep", {"rows": 1, "hints": 1})
    script.set("other", 2, CLOCK + 101)
    script.do("exists", False, key=5)
    return script


def deadlines_mixed() -> Script:
    """Everything about deadlines at once, with a default time to live."""
    script = Script(default_ttl_us=700)
    state = 20_261
    for _ in range(600):
        state = state * 48_271 % 2_147_483_647
        key, what, number = state % 17, state // 17 % 14, state // 238 % 400 + 1
        match what:
            case 0 | 1:
                script.do("set", key=key, value=number, idle_us=number)
            case 2:
                script.do("set", key=key, value=number, ttl_us=number)
            case 3:
                script.do("set", key=key, value=number)
            case 4:
                script.do("set", key=key, value=number, keep_ttl=True)
            case 5 | 6:
                script.do("get", key=key)
            case 7:
                script.do("get_many", keys=[key, (key + 1) % 17])
            case 8:
                script.do("touch", key=key)
            case 9:
                script.do("increment", key=key, by=1)
            case 10:
                script.do("expire", key=key, idle_us=number)
            case 11:
                script.do("sweep")
            case 12:
                script.do("tick", None, us=number // 8 - 5)
            case _:
                script.do("expire_older_than", age_us=number * 2)
    script.do("reopen", None)
    script.do("items")
    return script
