"""Counters."""

from cases.scripts.build import CLOCK, Script, error

MAX = 2**63 - 1
MIN = -(2**63)


def increment() -> Script:
    """Counting up and down from a missing key, through every width of the encoding."""
    script = Script()
    script.do("increment", 1, key="n", by=1)
    script.do("increment", 3, key="n", by=2)
    script.do("increment", -7, key="n", by=-10)
    script.do("increment", -7, key="n", by=0)
    script.do("entry", {"value": -7, "version": CLOCK + 3, "expires_at": None, "size": 1}, key="n")
    script.do("increment", 0, key="zero", by=0)
    script.get("zero", 0)
    for by in (127, 1, 127, 1, 65279, 1, 4294901759, 1, -4294967296 - 32, -1, -95, -1):
        script.do("increment", key="wide", by=by)
    script.get("wide", -129)
    for value in (1.0, "1", None, True, [], {}, {"$bytes": "AQ=="}, {"$timestamp": "1970-01-01T00:00:01Z"}, {"$vector": ""}):
        script.set("other", value)
        script.do("increment", error("TypeMismatch"), key="other", by=1)
        script.get("other", value)
    return script


def increment_limits() -> Script:
    """Sums and stored integers outside the signed 64 bits overflow and leave the row as it was."""
    script = Script()
    script.do("increment", MAX, key="n", by=MAX)
    script.do("increment", error("Overflow"), key="n", by=1)
    script.do("entry", {"value": MAX, "version": CLOCK, "expires_at": None, "size": 9}, key="n")
    script.do("increment", -1, key="n", by=MIN)
    script.do("increment", error("Overflow"), key="n", by=MIN)
    script.do("increment", MIN, key="n", by=MIN + 1)
    script.do("increment", error("Overflow"), key="n", by=-1)
    script.do("increment", -1, key="n", by=MAX)
    script.set("n", 2**63, CLOCK + 4)
    script.do("increment", error("Overflow"), key="n", by=-1)
    script.set("n", 2**64 - 1, CLOCK + 5)
    script.do("increment", error("Overflow"), key="n", by=MIN)
    script.get("n", 2**64 - 1)
    script.do("entry", {"value": 2**64 - 1, "version": CLOCK + 5, "expires_at": None, "size": 9}, key="n")
    return script


def increment_float() -> Script:
    """Adding floats, also to an integer; the result is a float."""
    script = Script()
    script.do("increment_float", 0.5, key="x", by=0.5)
    script.do("increment_float", 1.0, key="x", by=0.5)
    script.do("increment_float", -0.25, key="x", by=-1.25)
    script.do("increment_float", 0.0, key="x", by=0.25)
    script.do("increment_float", 0.1, key="sum", by=0.1)
    script.do("increment_float", 0.30000000000000004, key="sum", by=0.2)
    script.do("increment_float", 0.0, key="zero", by=-0.0)
    script.set("i", 3, CLOCK)
    script.do("increment_float", 3.5, key="i", by=0.5)
    script.get("i", 3.5)
    script.set("i", -4, CLOCK + 2)
    script.do("increment_float", -4.0, key="i", by=0.0)
    script.do("entry", {"value": -4.0, "version": CLOCK + 3, "expires_at": None, "size": 9}, key="i")
    script.do("increment", error("TypeMismatch"), key="i", by=1)
    script.set("z", -0.0)
    script.do("increment_float", -0.0, key="z", by=-0.0)
    script.do("increment_float", 5e-324, key="tiny", by=5e-324)
    script.do("increment_float", 1e-323, key="tiny", by=5e-324)
    for value in ("1.0", None, False, [1.0], {"a": 1.0}, {"$bytes": ""}):
        script.set("other", value)
        script.do("increment_float", error("TypeMismatch"), key="other", by=1.0)
        script.get("other", value)
    return script


def increment_float_limits() -> Script:
    """Integers beyond 2^53 and results that are not finite overflow; a step that is not finite is refused."""
    script = Script()
    exact = 2**53
    script.set("i", exact)
    script.do("increment_float", 9007199254740992.0, key="i", by=1.0)
    script.set("i", -exact)
    script.do("increment_float", -9007199254740990.0, key="i", by=2.0)
    for value in (exact + 1, -exact - 1, 2**63 - 1, -(2**63), 2**64 - 1):
        script.set("i", value)
        script.do("increment_float", error("Overflow"), key="i", by=1.0)
        script.get("i", value)
    script.set("x", 1.7976931348623157e308)
    script.do("increment_float", error("Overflow"), key="x", by=1.7976931348623157e308)
    script.do("increment_float", 1.7976931348623157e308, key="x", by=1.0)
    script.do("increment_float", 0.0, key="x", by=-1.7976931348623157e308)
    for value in ({"$float": "inf"}, {"$float": "-inf"}, {"$float": "nan"}):
        script.set("y", value)
        script.do("increment_float", error("Overflow"), key="y", by=1.0)
        script.get("y", value)
        script.do("increment_float", error("InvalidArgument"), key="x", by=value)
        script.do("increment_float", error("InvalidArgument"), key="missing", by=value)
    script.get("missing")
    script.get("x", 0.0)
    return script


def increment_deadline() -> Script:
    """A counter keeps its deadline; once expired it starts at zero and has none."""
    script = Script()
    script.set("n", 5, CLOCK, ttl_us=10)
    script.do("increment", 6, key="n", by=1)
    script.do("entry", {"value": 6, "version": CLOCK + 1, "expires_at": CLOCK + 10, "size": 1}, key="n")
    script.set("x", 5, CLOCK, ttl_us=10)
    script.do("increment_float", 5.5, key="x", by=0.5)
    script.do("ttl", {"expires_at": CLOCK + 10}, key="x")
    script.do("tick", None, us=10)
    script.do("increment", 1, key="n", by=1)
    script.do("entry", {"value": 1, "version": CLOCK + 10, "expires_at": None, "size": 1}, key="n")
    script.do("increment_float", 0.25, key="x", by=0.25)
    script.do("ttl", {"expires_at": None}, key="x")
    script.set("t", "text", CLOCK + 10, ttl_us=5)
    script.do("increment", error("TypeMismatch"), key="t", by=1)
    script.do("tick", None, us=5)
    script.do("increment", 1, key="t", by=1)
    return script
