"""Writes that depend on what is stored."""

from cases.scripts.build import CLOCK, Script


def conditional_set() -> Script:
    """Set if absent, if present, or if the row has a version; a condition that fails writes nothing."""
    script = Script()
    script.set("a", 1, None, if_="present")
    script.set("a", 1, None, if_={"version": 0})
    script.set("a", 1, CLOCK, if_="absent")
    script.set("a", 2, None, if_="absent")
    script.get("a", 1)
    script.set("a", 3, CLOCK + 1, if_="present")
    script.set("a", 4, None, if_={"version": CLOCK})
    script.set("a", 4, None, if_={"version": CLOCK + 2})
    script.set("a", 4, CLOCK + 2, if_={"version": CLOCK + 1})
    script.get("a", 4)
    script.do("delete", True, key="a")
    script.set("a", 5, None, if_={"version": CLOCK + 2})
    script.set("a", 5, CLOCK, if_="absent", ttl_us=10)
    script.do("tick", None, us=10)
    script.set("a", 6, None, if_="present")
    script.set("a", 6, None, if_={"version": CLOCK})
    script.get("a")
    script.set("a", 6, CLOCK + 10, if_="absent")
    script.do("ttl", {"expires_at": None}, key="a")
    script.set("a", 7, CLOCK + 11, if_="present", ttl_us=3)
    script.set("a", 8, None, if_="absent", ttl_us=100)
    script.do("ttl", {"expires_at": CLOCK + 13}, key="a")
    return script


def add_replace() -> Script:
    """Add stores if absent, replace if present; an old deadline is cleared."""
    script = Script()
    script.do("replace", False, key="a", value=1)
    script.do("add", True, key="a", value=1)
    script.do("add", False, key="a", value=2)
    script.get("a", 1)
    script.do("replace", True, key="a", value=3)
    script.do("entry", {"value": 3, "version": CLOCK + 1, "expires_at": None, "size": 1}, key="a")
    script.set("b", 1, CLOCK, ttl_us=10)
    script.do("replace", True, key="b", value=2)
    script.do("ttl", {"expires_at": None}, key="b")
    script.set("b", 3, CLOCK + 2, ttl_us=10)
    script.do("add", False, key="b", value=4)
    script.do("ttl", {"expires_at": CLOCK + 10}, key="b")
    script.do("tick", None, us=10)
    script.do("replace", False, key="b", value=4)
    script.do("add", True, key="b", value=5)
    script.do("entry", {"value": 5, "version": CLOCK + 10, "expires_at": None, "size": 1}, key="b")
    return script


def compare_and_set() -> Script:
    """Compare and set with a value, with nil and with absence; it clears a deadline."""
    script = Script()
    script.do("compare_and_set", False, key="a", expected=1, value=2)
    script.do("compare_and_set", True, key="a", value=1)
    script.do("compare_and_set", False, key="a", value=2)
    script.do("compare_and_set", False, key="a", expected=2, value=3)
    script.do("compare_and_set", True, key="a", expected=1, value=2)
    script.do("entry", {"value": 2, "version": CLOCK + 1, "expires_at": None, "size": 1}, key="a")
    script.do("compare_and_set", True, key="a", expected=2, value=None)
    script.do("compare_and_set", True, key="a", expected=None, value={"x": 1, "y": 2})
    script.do("compare_and_set", True, key="a", expected={"y": 2, "x": 1}, value="same map in another order")
    script.set("b", 1, CLOCK, ttl_us=10)
    script.do("compare_and_set", True, key="b", expected=1, value=2)
    script.do("ttl", {"expires_at": None}, key="b")
    script.set("b", 1, CLOCK + 2, ttl_us=10)
    script.do("compare_and_set", False, key="b", expected=9, value=2)
    script.do("ttl", {"expires_at": CLOCK + 10}, key="b")
    script.do("tick", None, us=10)
    script.do("compare_and_set", False, key="b", expected=1, value=2)
    script.do("compare_and_set", True, key="b", value="absent again")
    script.get("b", "absent again")
    return script


def compare_kinds() -> Script:
    """Equal means equal encodings: 1 is not 1.0, 0.0 is not -0.0, NaN is NaN."""
    script = Script()
    script.set("a", 1)
    script.do("compare_and_set", False, key="a", expected=1.0, value=2)
    script.do("compare_and_set", False, key="a", expected=True, value=2)
    script.do("compare_and_set", False, key="a", expected="1", value=2)
    script.do("compare_and_set", True, key="a", expected=1, value=0.0)
    script.do("compare_and_set", False, key="a", expected=0, value=2)
    script.do("compare_and_set", False, key="a", expected=-0.0, value=2)
    script.do("compare_and_set", True, key="a", expected=0.0, value={"$float": "nan"})
    script.do("compare_and_set", True, key="a", expected={"$float": "nan"}, value="x")
    script.do("compare_and_set", False, key="a", expected={"$bytes": "eA=="}, value=2)
    script.do("compare_and_set", True, key="a", expected="x", value=[1, 2])
    script.do("compare_and_set", False, key="a", expected=[2, 1], value=2)
    script.do("compare_and_set", True, key="a", expected=[1, 2], value={"$vector": "AACAPw=="})
    script.do("compare_and_set", False, key="a", expected={"$bytes": "AACAPw=="}, value=2)
    script.do("compare_and_set", True, key="a", expected={"$vector": "AACAPw=="}, value="\u00e9")
    script.do("compare_and_set", False, key="a", expected="e\u0301", value=2)
    script.get("a", "\u00e9")
    return script
