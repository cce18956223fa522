"""Sizes around the boundaries of the encoding and of SQLite's pages."""

import base64

from cases.scripts.build import CLOCK, Script


def _vector(size: int) -> dict:
    """No NaN among the numbers: their upper byte is 0x3f."""
    payload = b"".join(bytes([number % 256, number // 256 % 256, 0x55, 0x3F]) for number in range(size // 4))
    return {"$vector": base64.b64encode(payload).decode()}


def _bytes(size: int) -> dict:
    """Bytes that repeat only after a prime number of them, so that a shifted copy would be noticed."""
    return {"$bytes": base64.b64encode((bytes(range(251)) * (size // 251 + 1))[:size]).decode()}


def key_sizes() -> Script:
    """Keys up to 2048 bytes are stored, longer ones refused."""
    script = Script()
    for size in (1, 31, 32, 127, 128, 129, 255, 256, 2047, 2048):
        script.set("k" * size, size, CLOCK)
        script.set(_bytes(size), -size, CLOCK)
    script.set("\u00e9" * 1024, "multibyte", CLOCK)
    for key in ("k" * 2049, "\u00e9" * 1024 + "k", _bytes(2049)):
        script.set(key, 1, {"error": "TooLarge"})
        script.do("get", {"error": "TooLarge"}, key=key)
        script.do("delete", {"error": "TooLarge"}, key=key)
    for size in (1, 31, 32, 127, 128, 129, 255, 256, 2047, 2048):
        script.get("k" * size, size)
        script.get(_bytes(size), -size)
    script.do("len", 21)
    return script


def text_sizes() -> Script:
    """Text values around the length classes of the encoding."""
    script = Script()
    for size in (0, 1, 30, 31, 32, 33, 254, 255, 256, 257):
        script.set(f"text:{size}", "t" * size, CLOCK)
        script.get(f"text:{size}", "t" * size)
    for size in (256, 255, 32, 31, 0):
        script.set("one", "t" * size)
    script.do("entry", key="one")
    return script


def bytes_sizes() -> Script:
    """Bytes values around the length classes of the encoding."""
    script = Script()
    for size in (0, 1, 31, 32, 254, 255, 256, 257, 1000):
        script.set(f"bytes:{size}", _bytes(size), CLOCK)
        script.get(f"bytes:{size}", _bytes(size))
    return script


def sixty_four_kib() -> Script:
    """Text and bytes of 65 535 and 65 536 bytes, where the length takes four bytes."""
    script = Script()
    for size, body in ((65535, 65538), (65536, 65541)):
        text = "0123456789abcdef" * 4096
        script.set(f"text:{size}", text[:size], CLOCK)
        script.set(f"bytes:{size}", _bytes(size), CLOCK)
        script.do("entry", {"value": text[:size], "version": CLOCK, "expires_at": None, "size": body}, key=f"text:{size}")
    script.do("reopen", None)
    script.get("bytes:65536", _bytes(65536))
    script.do("delete", True, key="bytes:65535")
    script.do("len", 3)
    return script


def vectors() -> Script:
    """Vectors around each head of the encoding, up to a payload of 65 536 bytes."""
    script = Script()
    for size, head in ((0, 3), (4, 2), (8, 2), (12, 3), (16, 2), (20, 3), (252, 3), (256, 4), (65532, 4), (65536, 6)):
        script.set(f"vector:{size}", _vector(size), CLOCK)
        facts = {"version": CLOCK, "expires_at": None, "size": head + size}
        script.do("entry", {"value": _vector(size)} | facts, key=f"vector:{size}")
    return script


def page_overflow() -> Script:
    """Bodies around the size at which a row of a 4096-byte page spills into overflow pages."""
    script = Script()
    sizes = [*range(3900, 4200, 25), 3985, 3986, 3987, 4057, 4058, 4059, 4060, 4061, 4062, 4093, 4096, 8180, 8192]
    for size in sizes:
        script.set(f"page:{size}", "p" * size, CLOCK)
    script.do("keys")
    script.do("get", {"value": "p" * 4061}, key="page:4061")
    for size in sizes[::3]:
        script.do("delete", True, key=f"page:{size}")
    for size in sizes[1::3]:
        script.set(f"page:{size}", size, CLOCK + 1)
    script.do("reopen", None)
    script.do("keys")
    return script


def forty_kilobytes() -> Script:
    """A value of some ten pages is stored, shrunk, grown again and deleted, so that pages are freed and used again."""
    script = Script()
    script.set("big", _bytes(40_000), CLOCK)
    script.get("big", _bytes(40_000))
    script.set("big", "small", CLOCK + 1)
    script.set("big", "y" * 40_000, CLOCK + 2)
    script.set("big", "z" * 20_000, CLOCK + 3)
    script.do("delete", True, key="big")
    script.set("big", [0] * 20_000, CLOCK)
    script.do("len", 1)
    return script


def growing() -> Script:
    """One row grows and shrinks in place between neighbours of its table."""
    script = Script()
    for number in range(12):
        script.set(f"neighbour:{number}", "n" * 300)
    for size in (10, 1000, 3000, 5000, 4000, 100, 2000):
        script.set("user:1001", "g" * size)
    script.do("reopen", None)
    for size in (3500, 7, 4500):
        script.set("user:1001", "g" * size)
    script.get("user:1001", "g" * 4500)
    script.do("len", 13)
    return script


def containers() -> Script:
    """Arrays and maps around their count classes, and nesting up to depth 64."""
    script = Script()
    for count in (0, 1, 15, 16, 17, 255, 256):
        script.set(f"array:{count}", list(range(count)), CLOCK)
        script.get(f"array:{count}", list(range(count)))
    for count in (0, 2, 15, 16, 17, 256):
        entries = {f"{number:03}": number for number in range(count)}
        script.set(f"map:{count}", dict(reversed(entries.items())), CLOCK)
        script.get(f"map:{count}", entries)
    deep: object = 7
    for _ in range(32):
        deep = {"a": [deep]}
    script.set("deep", deep, CLOCK)
    script.get("deep", deep)
    script.set("deep", [deep], {"error": "TooLarge"})
    script.do("entry", {"value": deep, "version": CLOCK, "expires_at": None, "size": 129}, key="deep")
    return script
