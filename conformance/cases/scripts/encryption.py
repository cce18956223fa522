"""Encrypted stashes. The key is in the script, and random bytes are counted (PROTOCOL.md)."""

from cases.scripts.build import CLOCK, Script, error
from cases.scripts.samples import KEYS, VALUES

KEY = bytes(range(32)).hex()
OTHER = bytes(32).hex()


def encrypted(**options: object) -> Script:
    return Script(encryption_key=KEY, **options)


def encrypted_rows() -> Script:
    """Values and keys of every type, encrypted, written over, read after a reopening."""
    script = encrypted()
    script.get("user:1001")
    script.set("user:1001", {"name": "Ada", "age": 36}, CLOCK)
    script.get("user:1001", {"age": 36, "name": "Ada"})
    for number, key in enumerate(KEYS):
        script.set(key, VALUES[number % len(VALUES)])
    script.set("user:1001", "Grace")
    script.do("tick", None, us=10)
    script.set("user:1001", "Joan")
    script.do("reopen", None)
    for key in KEYS:
        script.do("entry", key=key)
    script.get("user:1001", "Joan")
    script.do("len")
    return script


def encrypted_deadlines() -> Script:
    """Deadlines stand in the clear and are part of what is authenticated; they come and go as ever."""
    script = encrypted()
    script.set("a", 1, ttl_us=100)
    script.set("b", 2, expires_at=CLOCK + 50)
    script.do("expire", True, key="b", ttl_us=5)
    script.do("persist", True, key="a")
    script.set("c", 3, ttl_us=5)
    script.do("increment", 4, key="c", by=1)
    script.do("tick", None, us=5)
    script.do("keys", ["a"])
    script.do("increment", 1, key="c", by=1)
    script.do("delete", False, key="b")
    script.do("len", 2)
    return script


def encrypted_operations() -> Script:
    """Conditions, batches, scans with a prefix, and clearing, on an encrypted stash."""
    script = encrypted()
    script.do("set_many", items=[[f"key:{number}", number] for number in range(40)])
    script.do("get_many", keys=["key:0", "none", "key:39"], gives=[{"value": 0}, None, {"value": 39}])
    script.do("add", False, key="key:1", value=0)
    script.do("compare_and_set", True, key="key:1", expected=1, value=-1)
    script.do("take", {"value": 2}, key="key:2")
    operations = [{"op": "set", "key": "x", "value": 1}, {"op": "increment", "key": "x", "by": 1}, {"op": "increment", "key": "key:1", "by": 1}]
    script.do("apply", operations=operations)
    script.do("keys", prefix="key:1")
    script.do("items", prefix="key:3", limit=3)
    script.do("values")
    script.do("delete_many", keys=["key:3", "key:3"], gives=[True, False])
    script.do("reopen", None)
    script.do("len", 39)
    script.do("clear", None)
    script.do("len", 0)
    script.set("again", True, CLOCK)
    return script


def encrypted_sizes() -> Script:
    """Values of no length that is a multiple of the cipher's block, and rows on overflow pages."""
    script = encrypted()
    for size in (0, 1, 47, 48, 62, 63, 64, 65, 127, 128, 129, 4000, 9000):
        script.set(f"size:{size}", "x" * size)
    script.do("reopen", None)
    for size in (0, 63, 64, 65, 9000):
        script.get(f"size:{size}", "x" * size)
    return script


def wrong_key() -> Script:
    """Another key, no key and a key of another length open nothing and change nothing."""
    script = encrypted()
    script.set("a", 1)
    script.do("reopen", None)
    script.do("try_open", None, encryption_key=KEY)
    script.do("try_open", error("WrongKey"), encryption_key=OTHER)
    script.do("try_open", error("WrongKey"))
    script.do("try_open", error("InvalidArgument"), encryption_key=KEY[:62])
    script.get("a", 1)
    return script


def no_key() -> Script:
    """A key opens no stash that is not encrypted."""
    script = Script()
    script.set("a", 1)
    script.do("try_open", None)
    script.do("try_open", error("WrongKey"), encryption_key=KEY)
    script.do("rotate_key", error("InvalidArgument"))
    script.get("a", 1)
    return script


def rotated() -> Script:
    """A new data key: every row has it, keeps its version and deadline, and the old one is gone."""
    script = encrypted()
    for number in range(30):
        script.set(f"key:{number}", number, **({"ttl_us": 1000 + number} if number % 3 == 0 else {}))
    script.do("rotate_key", 30)
    script.set("key:1", "new", CLOCK + 1)
    script.do("entry", {"value": 2, "version": CLOCK, "expires_at": None, "size": 1}, key="key:2")
    script.do("ttl", {"expires_at": CLOCK + 1000}, key="key:0")
    script.do("reopen", None)
    script.do("items")
    script.do("rotate_key", 30)
    script.do("try_open", None, encryption_key=KEY)
    return script


def compressed() -> Script:
    """Values that are worth it are compressed; the others, and short ones, are stored as they are."""
    script = Script(compression={"min_bytes": 100, "level": 3})
    _compressible(script)
    return script


def compressed_and_encrypted() -> Script:
    """Compression comes before encryption."""
    script = encrypted(compression={"min_bytes": 100, "level": 3})
    _compressible(script)
    script.do("rotate_key", 6)
    script.get("text", "abc" * 1000)
    return script


def encrypted_buckets() -> Script:
    """Buckets have the stash's keyring and keys of their own; deadlines slide, changes are logged, and a rotation includes all."""
    script = encrypted(default_ttl_us=1_000_000)
    for bucket in ({}, {"bucket": "b"}, {"bucket": "ü"}):
        for number in range(8):
            script.set(f"key:{number}", number, **bucket)
    script.set("slides", 1, idle_us=8_000, bucket="b")
    script.do("watch", None, us=60_000_000)
    script.set("key:1", "seen")
    script.do("delete", True, key="key:2")
    script.do("tick", None, us=4_000)
    script.get("slides")
    script.do("get", {"value": 1}, key="slides", bucket="b")
    script.do("touch", True, key="slides", bucket="b")
    script.do("entry", key="slides", bucket="b")
    script.do("rotate_key", 7 + 9 + 8)
    script.do("buckets", ["b", "ü"])
    script.do("tick", None, us=5_000)
    script.do("get", {"value": 1}, key="slides", bucket="b")
    script.do("sweep", bucket="b")
    script.do("reopen", None)
    script.do("items", bucket="ü")
    script.do("items", bucket="b")
    script.do("tick", None, us=1_000_000)
    script.do("sweep")
    script.do("len", 0, bucket="ü")
    script.do("drop_bucket", True, bucket="ü")
    script.set("again", True, bucket="ü")
    script.do("keys", ["again"], bucket="ü")
    return script


def _compressible(script: Script) -> None:
    script.set("text", "abc" * 1000)
    script.set("zeros", {"$bytes": "AAAA" * 500})
    script.set("list", list(range(100)) * 5)
    script.set("short", "a" * 90)
    script.set("deadline", "b" * 5000, ttl_us=1000)
    script.set("map", {f"key {number}": number for number in range(200)})
    script.set("text", "abc" * 1000)
    script.do("entry", key="text")
    script.do("reopen", None)
    script.get("text", "abc" * 1000)
    script.do("entry", key="deadline")
    script.do("values")
