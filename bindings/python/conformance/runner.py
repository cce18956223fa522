"""The runner of the conformance suite for the Python package: `script`, `vectors`, `dump` and `serve`
(conformance/PROTOCOL.md). The package must be built with the feature `testing`: its clock can be fixed."""

from __future__ import annotations

import datetime
import json
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from litestash import MISSING, LiteStash, LiteStashError, Op, RefusedError, Timestamp, _litestash as native

sys.path.append(str(Path(__file__).parents[3] / "conformance/reference"))

from serve import serve  # noqa: E402

USAGE = "usage: runner.py script FILE DIR | vectors FILE | dump DIR [KEY] | serve"

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["script", file, directory]:
            lines = script(json.loads(Path(file).read_text("utf-8")), directory)
        case ["vectors", file]:
            lines = vectors(json.loads(Path(file).read_text("utf-8")))
        case ["dump", directory, *keys] if len(keys) < 2:
            return dump(directory, *(bytes.fromhex(key) for key in keys))
        case ["serve"]:
            return serve(main)
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    for line in lines:
        print(json.dumps(line))
    return 0


def dump(directory: str, key: bytes | None = None) -> int:
    if not Path(directory).is_dir():
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows"
        try:
            with LiteStash(directory, read_only=True, create=False, clock_us=0, encryption_key=key) as stash:
                stash.export(rows)
        except LiteStashError as error:
            return 0 if error.kind == "NoStash" else 1
        sys.stdout.write(rows.read_text("utf-8"))
    return 0


# Keys and values in the form of INTERCHANGE.md.


def value(tree: Any) -> Any:
    return native.value_from_interchange(json.dumps(tree))


def key(tree: Any) -> Any:
    return native.key_from_interchange(json.dumps(tree))


def shown(content: Any) -> Any:
    return json.loads(native.value_to_interchange(content))


def shown_key(one: Any) -> Any:
    return json.loads(native.key_facts(one)["key"])


def moment(us: int) -> Timestamp:
    return Timestamp(us // 1_000_000, us % 1_000_000 * 1000)


def micros(at: Any) -> int | None:
    if at is None:
        return None
    if isinstance(at, Timestamp):
        return at.seconds * 1_000_000 + at.nanoseconds // 1000
    return (at - EPOCH) // MICROSECOND


# Results.


def same(result: Any) -> Any:
    return result


def found(result: Any) -> Any:
    return None if result is MISSING else {"value": shown(result)}


def stored(version: Any) -> bool:
    return version is not None


def entry(row: Any) -> Any:
    if row is None or row is MISSING:
        return None
    facts = {"value": shown(row.value), "version": row.version, "expires_at": micros(row.expires_at), "size": row.size}
    return facts if row.idle is None else facts | {"idle_us": row.idle // MICROSECOND}


# One key: the operation as the package has it, and what its result becomes.


def deadline(members: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, option in (("ttl_us", "ttl"), ("idle_us", "idle")):
        if name in members:
            options[option] = datetime.timedelta(microseconds=members[name])
    if "expires_at" in members:
        if members["expires_at"] is None and not options:
            options["ttl"] = float("inf")
        else:
            options["expires_at"] = moment(members["expires_at"] or 0)
    return options


def condition(members: dict[str, Any], prefix: str = "if_") -> dict[str, Any]:
    match members.get("if"):
        case None:
            return {}
        case {"version": version}:
            return {f"{prefix}version": version}
        case name:
            return {f"{prefix}{name}": True}


def operation(members: dict[str, Any]) -> tuple[Op, Callable[[Any], Any]]:
    name, one = members["op"], key(members["key"])
    content = [value(members["value"])] if "value" in members else []
    match name:
        case "get" | "take":
            return getattr(Op, name)(one), found
        case "exists" | "delete" | "persist" | "touch":
            return getattr(Op, name)(one), same
        case "entry":
            return Op.entry(one), entry
        case "ttl":
            return Op.entry(one), lambda row: None if row is MISSING else {"expires_at": micros(row.expires_at)}
        case "set":
            keep = members.get("keep_ttl", False)
            return Op.set(one, *content, **deadline(members), **condition(members), keep_ttl=keep), same
        case "add":
            return Op.set(one, *content, if_absent=True), stored
        case "replace":
            return Op.set(one, *content, if_present=True), stored
        case "compare_and_set":
            expected = value(members["expected"]) if "expected" in members else MISSING
            return Op.compare_and_set(one, expected, *content), same
        case "increment":
            return Op.incr(one, members["by"]), same
        case "increment_float":
            return Op.incr(one, float(value(members["by"]))), shown
        case "expire":
            return Op.expire(one, **deadline(members)), same
        case "check" if "expected" in members:
            return Op.expect(one, value(members["expected"])), same
        case "check":
            return Op.check(one, **condition(members, "")), same
    raise KeyError(name)


def single(stash: LiteStash, members: dict[str, Any]) -> Any:
    """Through the method of the stash where there is one."""
    name = members["op"]
    op, show = operation(members)
    one = key(members["key"])
    content = [value(members["value"])] if "value" in members else []
    match name:
        case "get" | "take":
            return show(getattr(stash, name)(one, MISSING))
        case "exists":
            return one in stash
        case "delete" | "persist" | "touch" | "entry":
            return show(getattr(stash, name)(one))
        case "set":
            keep = members.get("keep_ttl", False)
            return stash.set(one, *content, **deadline(members), **condition(members), keep_ttl=keep)
        case "add" | "replace":
            return getattr(stash, name)(one, *content)
        case "increment":
            return stash.incr(one, members["by"])
        case "expire":
            return stash.expire(one, **deadline(members))
        case "ttl":
            try:
                return {"expires_at": micros(stash.expires_at(one))}
            except KeyError:
                return None
    (result,) = stash.apply([op])
    if isinstance(result, LiteStashError):
        raise result
    return show(result)


# Several keys.


def apply(stash: LiteStash, members: dict[str, Any]) -> Any:
    results: list[Any] = []
    ops: list[tuple[int, Op, Callable[[Any], Any]]] = []
    for at, inner in enumerate(members["operations"]):
        try:
            ops.append((at, *operation(inner)))
            results.append(None)
        except LiteStashError as error:
            results.append({"error": error.kind})
    answers = stash.apply([op for _, op, _ in ops])
    for (at, _, show), answer in zip(ops, answers, strict=True):
        results[at] = {"error": answer.kind} if isinstance(answer, LiteStashError) else show(answer)
    return results


def transaction(stash: LiteStash, members: dict[str, Any]) -> Any:
    ops = [operation(inner) for inner in members["operations"]]
    try:
        answers = stash.transaction([op for op, _ in ops])
    except RefusedError as error:
        return {"refused": error.index}
    return {"committed": [show(answer) for (_, show), answer in zip(ops, answers, strict=True)]}


def get_many(stash: LiteStash, members: dict[str, Any]) -> Any:
    keys = [key(one) for one in members["keys"]]
    values = stash.get_many(keys)
    return [found(values.get(one, MISSING)) for one in keys]


def scan(stash: LiteStash, members: dict[str, Any]) -> Any:
    name, prefix, limit = members["op"], members.get("prefix"), members.get("limit")
    rows = getattr(stash, name)(prefix=prefix, limit=limit)
    show = {"keys": shown_key, "values": shown, "items": lambda row: [shown_key(row[0]), shown(row[1])]}[name]
    return [show(row) for row in rows]


def age(stash: LiteStash, members: dict[str, Any]) -> Any:
    return stash.expire_older_than(datetime.timedelta(microseconds=members["age_us"]), prefix=members.get("prefix"))


def watch(stash: LiteStash, members: dict[str, Any]) -> Any:
    stash.log_changes(datetime.timedelta(microseconds=members["us"]))


def try_open(stash: LiteStash, members: dict[str, Any]) -> Any:
    key = bytes.fromhex(members["encryption_key"]) if "encryption_key" in members else None
    LiteStash(str(stash.path), read_only=True, create=False, clock_us=0, encryption_key=key).close()


def sweep(stash: LiteStash, members: dict[str, Any]) -> Any:
    report = stash.sweep()
    return {name: report[name] for name in ("rows", "hints")}


SEVERAL: dict[str, Callable[[LiteStash, dict[str, Any]], Any]] = {
    "get_many": get_many,
    "set_many": lambda stash, given: stash.set_many([(key(one), value(content)) for one, content in given["items"]]),
    "delete_many": lambda stash, given: stash.delete_many([key(one) for one in given["keys"]]),
    "apply": apply,
    "transaction": transaction,
    "keys": scan,
    "values": scan,
    "items": scan,
    "len": lambda stash, given: len(stash),
    "clear": lambda stash, given: stash.clear(),
    "sweep": sweep,
    "expire_older_than": age,
    "buckets": lambda stash, given: stash.buckets(),
    "watch": watch,
    "try_open": try_open,
    "rotate_key": lambda stash, given: stash.rotate_key()["resealed"],
}


def perform(stash: LiteStash, members: dict[str, Any]) -> Any:
    try:
        if members["op"] == "drop_bucket":
            return stash.drop_bucket(members["bucket"])
        if "bucket" in members:
            stash = stash.bucket(members["bucket"])
        return SEVERAL.get(members["op"], single)(stash, members)
    except LiteStashError as error:
        return {"error": error.kind}


def script(text: dict[str, Any], directory: str) -> Iterator[Any]:
    clock = text["clock"]
    given = text.get("options", {})
    options: dict[str, Any] = {}
    if "default_ttl_us" in given:
        options["default_ttl"] = datetime.timedelta(microseconds=given["default_ttl_us"])
    limits = given.get("limits", {})
    if "rows" in limits:
        options["max_rows"] = limits["rows"]
    if "eviction" in limits:
        options["eviction"] = limits["eviction"]
    if "encryption_key" in given:
        options["encryption_key"] = bytes.fromhex(given["encryption_key"])
    if "compression" in given:
        options["compression"] = given["compression"]
    stash = LiteStash(directory, clock_us=clock, **options)
    for members in text["operations"]:
        if members["op"] == "tick":
            clock += members["us"]
            native.advance_clock(stash, members["us"])
            yield None
        elif members["op"] == "reopen":
            stash.close()
            stash = LiteStash(directory, clock_us=clock, **options)
            yield None
        else:
            yield perform(stash, members)
    stash.close()


# Vectors.


def text_of(digits: str) -> str:
    # What is no UTF-8 becomes lone surrogates, which no key may have.
    return bytes.fromhex(digits).decode("utf-8", "surrogateescape")


INPUTS: dict[str, Callable[[str], Any]] = {
    "text": text_of,
    "integer": int,
    "float": lambda digits: struct.unpack(">d", bytes.fromhex(digits))[0],
    "bytes": bytes.fromhex,
}


def keys(case: dict[str, Any]) -> Any:
    facts = native.key_facts(INPUTS[case["type"]](case["input"]))
    return facts | {"key": json.loads(facts["key"])}


def values_valid(case: dict[str, Any]) -> Any:
    encoded = native.encode_value(value(case["value"]))
    return {"encoded": encoded.hex(), "value": shown(native.decode_value(bytes.fromhex(case["encoded"])))}


def records(case: dict[str, Any]) -> Any:
    columns = bytes.fromhex(case["key_hash"]), case["timestamp"], case["microsecond"], bytes.fromhex(case["record"])
    facts = native.record_facts(*columns)
    return facts | {"body": facts["body"].hex()}


def sealed(case: dict[str, Any]) -> Any:
    given = [bytes.fromhex(case[name]) for name in ("keyring", "encryption_key", "key_hash", "key_column", "record")]
    keyring, key, key_hash, column, record = given
    place, version = (case["shard"], case["slot"]), (case["timestamp"], case["microsecond"])
    facts = native.sealed_facts(keyring, key, case["bucket"], place, key_hash, column, version, record)
    return facts | {"key": json.loads(facts["key"]), "body": facts["body"].hex()}


KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "keys": keys,
    "values_valid": values_valid,
    "values_invalid": lambda case: {"value": shown(native.decode_value(bytes.fromhex(case["encoded"])))},
    "crc": lambda case: {"crc": f"{native.crc(bytes.fromhex(case['data'])):08x}"},
    "records": records,
    "sealed": sealed,
    "interchange": lambda case: {"encoded": native.encode_value(native.value_from_interchange(case["json"])).hex()},
}


def vectors(text: dict[str, Any]) -> Iterator[Any]:
    answer = KINDS[text["kind"]]
    for case in text["cases"]:
        try:
            result = answer(case)
        except LiteStashError as error:
            result = {"error": error.kind}
        yield {"id": case["id"], "result": result}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, json.JSONDecodeError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyError, TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
