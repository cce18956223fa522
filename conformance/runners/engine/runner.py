"""The runner of the conformance suite for the sidecar: `script`, `dump` and `serve` (PROTOCOL.md).

LITESTASH_ENGINE names the program, which must be built with the feature `conformance`: its clock is that of the script.
What JSON stands for and how MessagePack is written is taken from the reference, which shares no code with the engine.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))

from decode import decode  # noqa: E402
from encode import encode  # noqa: E402
from errors import Refused  # noqa: E402
from interchange import key_from_json, key_to_json, value_from_json, value_to_json  # noqa: E402
from serve import serve  # noqa: E402

USAGE = "usage: runner.py script FILE DIR | dump DIR [KEY] | serve"

# The second element of an answer (docs/ENGINE.md 2).
DONE, FAILED, MISSING = 0, 1, 2

# Containers of a result around the values in it, at most.
HOLDS = 3


class Failed(Exception):
    """The engine refused an operation."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Engine:
    """One engine process with an open stash."""

    def __init__(self, directory: str, clock: int, **options: object) -> None:
        self.directory = directory
        self.bucket = None
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([os.environ["LITESTASH_ENGINE"]], **pipes)
        hello = {"protocol": 1, "client": "conformance", "dir": directory, "clock_us": clock} | options
        self.call("hello", encode(hello))

    def call(self, operation: str, *arguments: bytes) -> object:
        """The result, `MISSING` for a row that is not there. Arguments are encoded one by one: a value may be as
        deep as a whole request."""
        name = encode(operation) if self.bucket is None else encode([self.bucket, operation])
        request = array(encode(1), name, *arguments)
        self.process.stdin.write(len(request).to_bytes(4, "big") + request)
        self.process.stdin.flush()
        size = int.from_bytes(self.process.stdout.read(4), "big")
        answer = self.process.stdout.read(size)
        if answer[:2] != b"\x93\x01":
            raise ValueError(f"an answer that is none of ours: {answer[:20].hex()}")
        status, result = answer[2], decode(answer[3:], depth=-HOLDS)
        if status == FAILED:
            raise Failed(result["kind"])
        return Missing if status == MISSING else result

    def close(self) -> None:
        self.call("close")
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise ValueError("the engine failed to close")


class Missing:
    """A row that is not there."""


def array(*encoded: bytes) -> bytes:
    return b"\xdd" + len(encoded).to_bytes(4, "big") + b"".join(encoded)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["script", file, directory]:
            with open(file, encoding="utf-8") as text:
                script = json.load(text)
            for result in run(script, directory):
                print(json.dumps(result))
            return 0
        case ["dump", directory, *key] if len(key) <= 1:
            return dump(directory, with_key(key[0]) if key else {})
        case ["serve"]:
            return serve(main)
        case _:
            print(USAGE, file=sys.stderr)
            return 2


def dump(directory: str, options: dict) -> int:
    if not os.path.isdir(directory):
        return 0
    try:
        engine = Engine(directory, 0, read_only=True, create=False, **options)
    except Failed as error:
        return 0 if error.kind == "NoStash" else 1
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.jsonl")
        engine.call("export", encode(path))
        engine.close()
        with open(path, encoding="utf-8") as rows:
            sys.stdout.writelines(rows)
    return 0


def run(script: dict, directory: str) -> Iterator[object]:
    options = given(script.get("options", {}))
    engine = Engine(directory, script["clock"], **options)
    for operation in script["operations"]:
        members = dict(operation)
        name = members.pop("op")
        if name == "reopen":
            engine.bucket = None
            engine.call("reopen")
            yield None
            continue
        engine.bucket = members.pop("bucket", None)
        try:
            yield OPERATIONS[name](engine, name, members)
        except (Failed, Refused) as error:
            yield {"error": error.kind}
    engine.close()


def key_argument(tree: object) -> bytes:
    """What MessagePack has no form for is no key."""
    try:
        return encode(key_from_json(tree))
    except Refused as error:
        raise Refused("InvalidKey", error.detail) from error


def given(options: dict) -> dict:
    """A script's options as the hello has them."""
    limits = options.pop("limits", {})
    key = options.pop("encryption_key", None)
    options |= {} if key is None else with_key(key)
    return options | {"background": False} | {{"rows": "max_rows"}.get(name, name): it for name, it in limits.items()}


def with_key(digits: str) -> dict:
    return {"encryption_key": bytes.fromhex(digits), "counted_random": True}


# One key: its arguments, and what the result becomes in JSON.
def single(name: str, members: dict) -> tuple[list[bytes], object]:
    key = key_argument(members.pop("key"))
    if name == "increment":
        return [key, encode(members.pop("by"))], same
    if name == "increment_float":
        return [key, encode(value_from_json(members.pop("by")))], value_to_json
    if name == "compare_and_set":
        expected = array(encode(value_from_json(members["expected"]))) if "expected" in members else array()
        return [key, expected, encode(value_from_json(members["value"]))], same
    values = [encode(value_from_json(members.pop("value")))] if "value" in members else []
    if name == "check":
        return [key, check(members)], same
    if "expires_at" in members and members["expires_at"] is None:
        members = {given: it for given, it in members.items() if given != "expires_at"} | {"never": True}
    options = [encode(members)] if members else []
    return [key, *values, *options], {"get": value, "take": value, "entry": entry, "ttl": ttl}.get(name, same)


def check(members: dict) -> bytes:
    return array(encode(value_from_json(members["expected"]))) if "expected" in members else encode(members)


def same(result: object) -> object:
    return result


def value(result: object) -> object:
    return None if result is Missing else {"value": value_to_json(result)}


def entry(result: object) -> object:
    if result is Missing:
        return None
    facts = {name: fact for name, fact in result.items() if name != "idle_us" or fact is not None}
    return facts | {"value": value_to_json(result["value"])}


def ttl(result: object) -> object:
    return None if result is Missing else {"expires_at": result}


def run_single(engine: Engine, name: str, members: dict) -> object:
    arguments, to_json = single(name, members)
    return to_json(engine.call(name, *arguments))


# Several keys.
def get_many(engine: Engine, name: str, members: dict) -> object:
    keys = [key_argument(key) for key in members["keys"]]
    found = engine.call(name, array(*keys))
    return [value(Missing if one is None else one[0]) for one in found]


def set_many(engine: Engine, name: str, members: dict) -> object:
    pairs = [(key_argument(key), encode(value_from_json(content))) for key, content in members["items"]]
    return engine.call(name, array(*(array(*pair) for pair in pairs)))


def delete_many(engine: Engine, name: str, members: dict) -> object:
    return engine.call(name, array(*(key_argument(key) for key in members["keys"])))


def transaction(engine: Engine, name: str, members: dict) -> object:
    sent, makers = [], []
    for operation in members["operations"]:
        inner = dict(operation)
        inner_name = inner.pop("op")
        arguments, to_json = single(inner_name, inner)
        sent.append(array(encode(inner_name), *arguments))
        makers.append(to_json)
    result = engine.call(name, array(*sent))
    if "refused" in result:
        return result
    pairs = zip(makers, result["committed"], strict=True)
    return {"committed": [to_json(Missing if status == MISSING else it) for to_json, (status, it) in pairs]}


def apply(engine: Engine, name: str, members: dict) -> object:
    results, sent, makers = [None] * len(members["operations"]), [], []
    for at, operation in enumerate(members["operations"]):
        inner = dict(operation)
        inner_name = inner.pop("op")
        try:
            arguments, to_json = single(inner_name, inner)
        except Refused as error:
            results[at] = {"error": error.kind}
            continue
        sent.append(array(encode(inner_name), *arguments))
        makers.append((at, to_json))
    for (at, to_json), (status, result) in zip(makers, engine.call(name, array(*sent)), strict=True):
        found = Missing if status == MISSING else result
        results[at] = {"error": result["kind"]} if status == FAILED else to_json(found)
    return results


# All rows, and the stash itself.
def scan(engine: Engine, name: str, members: dict) -> object:
    to_json = {"keys": key_to_json, "values": value_to_json, "items": item}[name]
    found, cursor, limit = [], "", members.pop("limit", None)
    while cursor is not None and (limit is None or len(found) < limit):
        page_rows = 100 if limit is None else min(limit - len(found), 100)
        page = engine.call(name, encode(members | {"cursor": cursor, "limit": page_rows}))
        found += [to_json(one) for one in page["items"]]
        cursor = page["cursor"]
    return found


def item(pair: list) -> list:
    return [key_to_json(pair[0]), value_to_json(pair[1])]


def plain(engine: Engine, name: str, members: dict) -> object:
    return engine.call(name)


def sweep(engine: Engine, name: str, members: dict) -> dict:
    report = engine.call(name)
    return {name: report[name] for name in ("rows", "hints")}


def expire_older_than(engine: Engine, name: str, members: dict) -> object:
    age = encode(members.pop("age_us"))
    return engine.call(name, age, *([encode(members)] if members else []))


def drop_bucket(engine: Engine, name: str, members: dict) -> object:
    bucket, engine.bucket = engine.bucket, None
    return engine.call(name, encode(bucket))


def watch(engine: Engine, name: str, members: dict) -> object:
    return engine.call(name, encode(members["us"]))


def rotate_key(engine: Engine, name: str, members: dict) -> object:
    return engine.call(name)["resealed"]


def try_open(engine: Engine, name: str, members: dict) -> None:
    key = members.get("encryption_key")
    Engine(engine.directory, 0, read_only=True, create=False, **({} if key is None else with_key(key))).close()


def tick(engine: Engine, name: str, members: dict) -> None:
    engine.call(name, encode(members["us"]))


SINGLE = """set get take exists delete entry add replace compare_and_set increment increment_float expire persist ttl touch
    check"""
OPERATIONS = {name: run_single for name in SINGLE.split()} | {
    "get_many": get_many,
    "set_many": set_many,
    "delete_many": delete_many,
    "apply": apply,
    "transaction": transaction,
    "sweep": sweep,
    "expire_older_than": expire_older_than,
    "buckets": plain,
    "drop_bucket": drop_bucket,
    "watch": watch,
    "rotate_key": rotate_key,
    "try_open": try_open,
    "keys": scan,
    "values": scan,
    "items": scan,
    "len": plain,
    "clear": plain,
    "tick": tick,
}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, KeyError, TypeError, ValueError, Failed) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, OSError) else 1)
