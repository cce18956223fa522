#!/usr/bin/env python3
"""A LiteStash client with nothing but the standard library: what any language needs to drive the engine.

usage: client.py ENGINE DIRECTORY
"""
import struct
import subprocess
import sys


def pack(value):
    """MessagePack in long forms where they are simpler: the engine takes any."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return struct.pack(">Bq", 0xD3, value)
    if isinstance(value, float):
        return struct.pack(">Bd", 0xCB, value)
    if isinstance(value, str):
        return struct.pack(">BI", 0xDB, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xC6, len(value)) + value
    if isinstance(value, (list, tuple)):
        return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(pack, value))
    return struct.pack(">BI", 0xDF, len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())


def unpack(data, at=0):
    """The value at that place and the place behind it."""
    tag, at = data[at], at + 1
    if tag <= 0x7F or tag >= 0xE0:
        return (tag if tag <= 0x7F else tag - 256), at
    if tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[tag], at
    numbers = {0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
    if tag in numbers:
        form = ">" + numbers[tag]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if tag <= 0xBF:
        size = tag & (0x1F if tag >= 0xA0 else 0x0F)
    else:
        width = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}[tag]
        size, at = int.from_bytes(data[at:at + width], "big"), at + width
    if 0xA0 <= tag <= 0xBF or tag in (0xD9, 0xDA, 0xDB):
        return data[at:at + size].decode(), at + size
    if tag in (0xC4, 0xC5, 0xC6):
        return data[at:at + size], at + size
    is_map = tag <= 0x8F or tag in (0xDE, 0xDF)
    items = []
    for _ in range(2 * size if is_map else size):
        item, at = unpack(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if is_map else items), at


class LiteStashError(Exception):
    pass


class LiteStash:
    def __init__(self, engine, directory):
        self.process = subprocess.Popen([engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.call("hello", {"protocol": 1, "client": "client.py", "dir": directory})

    def call(self, operation, *arguments):
        """One request and its answer. (To send many, count the numbers up and look answers up by them.)"""
        request = pack([1, operation, *arguments])
        self.process.stdin.write(struct.pack(">I", len(request)) + request)
        self.process.stdin.flush()
        size, = struct.unpack(">I", self.process.stdout.read(4))
        _, status, result = unpack(self.process.stdout.read(size))[0]
        if status == 1:
            raise LiteStashError(result["kind"], result["message"])
        return result

    def close(self):
        self.call("close")
        self.process.stdin.close()
        return self.process.wait()


if __name__ == "__main__":
    stash = LiteStash(sys.argv[1], sys.argv[2])
    stash.call("set", "user:1001", {"name": "Ada", "age": 36})
    print(stash.call("get", "user:1001"))
    print(stash.call("get", "nobody"))
    print(stash.call("increment", "visits", 3))
    print(sorted(stash.call("keys")["items"]))
    try:
        stash.call("increment", "user:1001")
    except LiteStashError as error:
        print(error.args[0])
    sys.exit(stash.close())
