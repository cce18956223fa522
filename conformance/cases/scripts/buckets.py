"""Named buckets."""

from cases.scripts.build import CLOCK, Script, error

NAMES = [
    "a", "A-z_09", ".", "..", "../..", "a/b", "a\\b", " ", "a b", "%", "%41", "\0", "\n", "\u00e9", "e\u0301", "\u540d\u524d",
    "\U0001f980", "\U0010ffff", "\ufffd", "shard-0.db", "buckets", "CON", "nul.txt", "-rf", "~", "*", "x" * 255, "." * 85,
]  # fmt: skip


def buckets() -> Script:
    """A bucket has rows of its own, under the same keys and the same clock as the stash."""
    script = Script()
    script.do("buckets", [])
    script.do("get", None, key="k", bucket="one")
    script.do("delete", False, key="k", bucket="one")
    script.do("buckets", [])
    for number, bucket in enumerate([None, "one", "two"]):
        within = {} if bucket is None else {"bucket": bucket}
        script.set("k", number, CLOCK, **within)
        script.set(number, "n" * number * 500, CLOCK, **within)
    script.do("buckets", ["one", "two"])
    for number, bucket in enumerate([None, "one", "two"]):
        within = {} if bucket is None else {"bucket": bucket}
        script.do("get", {"value": number}, key="k", **within)
        script.do("len", 2, **within)
        script.do("items", **within)
    script.do("tick", None, us=10)
    script.set("k", "later", CLOCK + 10, bucket="two")
    script.do("reopen", None)
    script.do("entry", key="k", bucket="two")
    script.do("clear", None)
    script.do("len", 2, bucket="one")
    script.do("clear", None, bucket="one")
    script.do("len", 0, bucket="one")
    script.do("buckets", ["one", "two"])
    return script


def bucket_names() -> Script:
    """Names are any text; on disk every byte but letters, digits, _ and - is escaped. They are listed by their bytes."""
    script = Script()
    for number, name in enumerate(NAMES):
        script.set("name", number, CLOCK, bucket=name)
    script.do("buckets", sorted(NAMES, key=str.encode))
    script.do("reopen", None)
    script.do("buckets", sorted(NAMES, key=str.encode))
    for number, name in enumerate(NAMES):
        script.do("get", {"value": number}, key="name", bucket=name)
    for name in NAMES[::2]:
        script.do("drop_bucket", True, bucket=name)
    script.do("buckets", sorted(NAMES[1::2], key=str.encode))
    return script


def bucket_drops() -> Script:
    """A dropped bucket is gone with its files, and made anew by the next write, with versions from the clock again."""
    script = Script()
    script.do("drop_bucket", False, bucket="b")
    for number in range(40):
        script.set(f"key:{number}", number, CLOCK, bucket="b")
        script.set(f"key:{number}", -number, CLOCK + 1, bucket="b", ttl_us=100)
    script.set("key:1", "of the stash", CLOCK)
    script.do("drop_bucket", True, bucket="b")
    script.do("drop_bucket", False, bucket="b")
    script.do("buckets", [])
    script.do("get", None, key="key:1", bucket="b")
    script.do("len", 0, bucket="b")
    script.do("keys", [], bucket="b")
    script.do("clear", None, bucket="b")
    script.do("replace", False, key="key:1", value=1, bucket="b")
    script.do("buckets", [])
    script.set("key:1", "again", CLOCK, bucket="b")
    script.do("add", False, key="key:1", value=0, bucket="b")
    script.do("buckets", ["b"])
    script.do("items", [["key:1", "again"]], bucket="b")
    script.get("key:1", "of the stash")
    for turn in range(3):
        script.do("drop_bucket", True, bucket="b")
        script.do("increment", turn, key="n", by=turn, bucket="b")
    script.do("reopen", None)
    script.do("items", [["n", 2]], bucket="b")
    script.set("gone", 1, CLOCK, bucket="c")
    script.do("drop_bucket", True, bucket="c")
    return script


def bucket_operations() -> Script:
    """Every operation works within a bucket."""
    script = Script()
    b = {"bucket": "\u00fc/1"}
    script.set("k", {"a": [1, 2.5, None]}, CLOCK, if_="absent", **b)
    script.do("exists", True, key="k", **b)
    script.do("add", False, key="k", value=1, **b)
    script.do("replace", True, key="k", value=2, **b)
    script.do("compare_and_set", True, key="k", expected=2, value=3, **b)
    script.do("increment", 8, key="k", by=5, **b)
    script.do("increment_float", 0.5, key="f", by=0.5, **b)
    script.do("expire", True, key="f", ttl_us=50, **b)
    script.do("ttl", {"expires_at": CLOCK + 50}, key="f", **b)
    script.do("persist", True, key="f", **b)
    script.do("entry", key="f", **b)
    script.do("take", {"value": 8}, key="k", **b)
    script.do("delete", True, key="f", **b)
    script.do("set_many", [CLOCK] * 30, items=[[number, number] for number in range(30)], **b)
    script.do("get_many", keys=[1, 2, 30], **b)
    script.do("delete_many", [True, False], keys=[1, 1], **b)
    script.do("apply", operations=[{"op": "set", "key": "a", "value": 1}, {"op": "get", "key": "a"}, {"op": "get", "key": 7}], **b)
    script.do("keys", limit=5, **b)
    script.do("values", prefix="a", **b)
    script.do("items", **b)
    script.do("len", 30, **b)
    script.do("len", 0)
    script.do("buckets", ["\u00fc/1"])
    return script


def bucket_errors() -> Script:
    """What is no name of a bucket, and operations that are refused within one."""
    script = Script()
    for name in ["", "x" * 256, "." * 86, "\u00e9" * 43, "x" * 5000]:
        script.set("k", 1, error("InvalidArgument"), bucket=name)
        script.do("get", error("InvalidArgument"), key="k", bucket=name)
        script.do("drop_bucket", error("InvalidArgument"), bucket=name)
    script.do("buckets", [])
    script.set("k" * 2049, 1, error("TooLarge"), bucket="b")
    script.set("k", {"$bytes": "?"}, error("InvalidValue"), bucket="b")
    script.set("k", 1, error("InvalidArgument"), bucket="b", ttl_us=0)
    script.do("buckets", [])
    script.set("k", "text", CLOCK, bucket="b")
    script.do("increment", error("TypeMismatch"), key="k", by=1, bucket="b")
    script.do("get", {"value": "text"}, key="k", bucket="b")
    return script
