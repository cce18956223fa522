#!/usr/bin/env python3
"""A LiteStash client with nothing but the standard library: what any language needs to drive the engine.

usage: client.py ENGINE DIRECTORY
"""
import struct
import subprocess
import sys

FIXED = dict(zip([*range(0xCA, 0xD4)], [">f", ">d", ">B", ">H", ">I", ">Q", ">b", ">h", ">i", ">q"]))
WIDTH = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}


def pack(value):
    """MessagePack in long forms where they are simpler: the engine takes any."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, (int, float)):
        return struct.pack(">Bq", 0xD3, value) if isinstance(value, int) else struct.pack(">Bd", 0xCB, value)
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        return struct.pack(">BI", 0xDB if isinstance(value, str) else 0xC6, len(data)) + data
    parts = [part for item in value.items() for part in item] if isinstance(value, dict) else value
    head = struct.pack(">BI", 0xDF if isinstance(value, dict) else 0xDD, len(value))
    return head + b"".join(map(pack, parts))


def unpack(data, at=0):
    """The value at that place and the place behind it."""
    tag, at = data[at], at + 1
    if tag <= 0x7F or tag >= 0xE0 or tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}.get(tag, tag if tag <= 0x7F else tag - 256), at
    if tag in FIXED:
        return struct.unpack_from(FIXED[tag], data, at)[0], at + struct.calcsize(FIXED[tag])
    size, at = int.from_bytes(data[at:at + WIDTH.get(tag, 0)], "big"), at + WIDTH.get(tag, 0)
    size = size if tag in WIDTH else tag & (0x1F if tag >= 0xA0 else 0x0F)
    if tag in (0xC4, 0xC5, 0xC6) or 0xA0 <= tag <= 0xBF or tag in (0xD9, 0xDA, 0xDB):
        return (data[at:at + size] if tag in (0xC4, 0xC5, 0xC6) else data[at:at + size].decode()), at + size
    is_map, items = tag <= 0x8F or tag in (0xDE, 0xDF), []
    for _ in range(2 * size if is_map else size):
        item, at = unpack(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if is_map else items), at


class LiteStash:
    def __init__(self, engine, directory):
        self.process = subprocess.Popen([engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.call("hello", {"protocol": 1, "client": "client.py", "dir": directory})

    def call(self, operation, *arguments):
        """One request and its answer. (To send many, count the numbers up and look answers up by them.)"""
        request = pack([1, operation, *arguments])
        self.process.stdin.write(struct.pack(">I", len(request)) + request)
        self.process.stdin.flush()
        answer = self.process.stdout.read(int.from_bytes(self.process.stdout.read(4), "big"))
        _, status, result = unpack(answer)[0]
        if status == 1:
            raise RuntimeError(result["kind"], result["message"])
        return result


if __name__ == "__main__":
    stash = LiteStash(sys.argv[1], sys.argv[2])
    stash.call("set", "user:1001", {"name": "Ada", "age": 36, "score": 0.5, "raw": b"\xff", "tags": [1, None, True]})
    print(stash.call("get", "user:1001"))
    print(stash.call("get", "nobody"), stash.call("increment", "visits", 3), sorted(stash.call("keys")["items"]))
    try:
        stash.call("increment", "user:1001")
    except RuntimeError as error:
        print(error.args[0])
    stash.call("close")
    stash.process.stdin.close()
    sys.exit(stash.process.wait())
