"""Runs the operations of a script and yields their results as JSON trees (PROTOCOL.md)."""

from collections.abc import Callable, Iterator
from pathlib import Path

from buckets import Family
from decode import decode
from encode import encode
from errors import Refused
from interchange import key_from_json, key_to_json, value_from_json, value_to_json
from keys import Key
from stash import ABSENT, Entry, Stash

Work = Callable[[Key], object]


def run(script: dict, directory: Path) -> Iterator[object]:
    options = dict(script.get("options", {}))
    # It reads what is compressed and compresses nothing itself.
    options.pop("compression", None)
    key = options.pop("encryption_key", None)
    options |= {"secret": bytes.fromhex(key)} if key is not None else {}
    family = Family(directory, script["clock"], **options)
    try:
        for operation in script["operations"]:
            if operation["op"] == "reopen":
                family.close()
                family = Family(directory, family.clock, random=family.root.random, **options)
                yield None
                continue
            try:
                yield _run_in_family(family, dict(operation))
            except Refused as error:
                yield _error(error)
    finally:
        family.close()


def _error(error: Refused) -> dict:
    return {"error": error.kind}


def _run_in_family(family: Family, operation: dict) -> object:
    match operation:
        case {"op": "buckets"}:
            return family.names()
        case {"op": "drop_bucket", "bucket": name}:
            return family.drop(name)
        case {"op": "rotate_key"}:
            return family.rotate_key()
        case {"bucket": _}:
            return _run(family.within(operation.pop("bucket")), operation)
    return _run(family.root, operation)


def _run(stash: Stash, operation: dict) -> object:
    name, members = operation["op"], {name: content for name, content in operation.items() if name != "op"}
    if name in SINGLE:
        key = stash.key(key_from_json(members.pop("key")))
        work, to_json = SINGLE[name](stash, **members)
        return to_json(stash.single(key.native, work))
    return OTHER[name](stash, **members)


def _same(result: object) -> object:
    return result


# Single-key operations: the work for the stash, and how its result becomes JSON.
def _value(entry: Entry | None) -> object:
    return {"value": value_to_json(decode(entry.body))} if entry else None


def _entry(entry: Entry | None) -> object:
    if entry is None:
        return None
    facts = {"version": entry.version, "expires_at": entry.expires_at, "size": len(entry.body)}
    window = {} if entry.idle_us is None else {"idle_us": entry.idle_us}
    return _value(entry) | facts | window


def _set(stash: Stash, value: object, keep_ttl=False, **others) -> tuple:
    condition = _condition(others.pop("if", None))
    return stash.set(value_from_json(value), condition, stash.deadline(**others), keep_ttl), _same


def _condition(wanted: object) -> Callable[[Entry | None], bool]:
    """`wanted` is the member `if`."""
    if wanted is None:
        return lambda live: True
    if isinstance(wanted, dict):
        return lambda live: live is not None and live.version == wanted["version"]
    return {"absent": lambda live: live is None, "present": lambda live: live is not None}[wanted]


def _add(stash: Stash, value: object) -> tuple:
    return stash.set(value_from_json(value), _condition("absent")), lambda version: version is not None


def _replace(stash: Stash, value: object) -> tuple:
    return stash.set(value_from_json(value), _condition("present")), lambda version: version is not None


def _compare_and_set(stash: Stash, value: object, **expected) -> tuple:
    old = value_from_json(expected["expected"]) if "expected" in expected else ABSENT
    return stash.compare_and_set(old, value_from_json(value)), _same


def _increment_float(stash: Stash, by: object) -> tuple:
    return stash.increment_float(value_from_json(by)), value_to_json


def _expire(stash: Stash, **deadline) -> tuple:
    return stash.expire(stash.deadline(**deadline)), _same


def _check(stash: Stash, **wanted) -> tuple:
    if len(wanted) != 1:
        raise Refused("InvalidArgument", "check needs one of `if` and `expected`")
    if "expected" in wanted:
        body = encode(value_from_json(wanted["expected"]))
        return stash.check(lambda live: live is not None and live.body == body), _same
    return stash.check(_condition(wanted["if"])), _same


SINGLE: dict[str, Callable[..., tuple[Work, Callable]]] = {
    "set": _set,
    "get": lambda stash: (stash.get(), _value),
    "take": lambda stash: (stash.take(), _value),
    "exists": lambda stash: (stash.exists(), _same),
    "delete": lambda stash: (stash.delete(), _same),
    "entry": lambda stash: (stash.look(), _entry),
    "add": _add,
    "replace": _replace,
    "compare_and_set": _compare_and_set,
    "increment": lambda stash, by: (stash.increment(by), _same),
    "increment_float": _increment_float,
    "expire": _expire,
    "check": _check,
    "persist": lambda stash: (stash.persist(), _same),
    "touch": lambda stash: (stash.touch(), _same),
    "ttl": lambda stash: (stash.look(), lambda entry: {"expires_at": entry.expires_at} if entry else None),
}


# Batches.
def _same_work(stash: Stash, keys: list, work: Work, to_json: Callable) -> list:
    made = [stash.key(key_from_json(key)) for key in keys]
    return _whole([(key, work) for key in made], stash, to_json)


def _set_many(stash: Stash, items: list) -> list:
    keys = [stash.key(key_from_json(key)) for key, _ in items]
    works = [stash.set(value_from_json(value)) for _, value in items]
    return _whole(list(zip(keys, works)), stash, _same)


def _whole(jobs: list[tuple[Key, Work]], stash: Stash, to_json: Callable) -> list:
    """For batches whose jobs cannot fail once their arguments are checked, other than by a damaged row."""
    results = stash.batch(jobs)
    for result in results:
        if isinstance(result, Refused):
            raise result
    return [to_json(result) for result in results]


def _apply(stash: Stash, operations: list) -> list:
    jobs, makers, results = [], [], [None] * len(operations)
    for at, operation in enumerate(operations):
        members = {name: content for name, content in operation.items() if name not in ("op", "key")}
        try:
            key = stash.key(key_from_json(operation["key"]))
            work, to_json = SINGLE[operation["op"]](stash, **members)
        except Refused as error:
            results[at] = _error(error)
            continue
        jobs.append((key, work))
        makers.append((at, to_json))
    for (at, to_json), result in zip(makers, stash.batch(jobs)):
        results[at] = _error(result) if isinstance(result, Refused) else to_json(result)
    return results


def _transaction(stash: Stash, operations: list) -> dict:
    jobs, makers = [], []
    for operation in operations:
        members = {name: content for name, content in operation.items() if name not in ("op", "key")}
        key = stash.key(key_from_json(operation["key"]))
        work, to_json = SINGLE[operation["op"]](stash, **members)
        jobs.append((key, work, _refuses(operation)))
        makers.append(to_json)
    results = stash.transaction(jobs)
    if isinstance(results, int):
        return {"refused": results}
    return {"committed": [to_json(result) for to_json, result in zip(makers, results)]}


def _refuses(operation: dict) -> Callable[[object], bool]:
    """Whether an answer of that operation says that its condition did not hold."""
    if operation["op"] in ("add", "replace") or operation["op"] == "set" and "if" in operation:
        return lambda version: version is None
    if operation["op"] in ("compare_and_set", "check"):
        return lambda held: not held
    return lambda answer: False


# All rows, and the stash itself.
def _keys(stash: Stash, **window) -> list:
    return [key_to_json(key) for key, _ in stash.items(**window)]


def _values(stash: Stash, **window) -> list:
    return [_value(entry)["value"] for _, entry in stash.items(**window)]


def _items(stash: Stash, **window) -> list:
    return [[key_to_json(key), _value(entry)["value"]] for key, entry in stash.items(**window)]


def _tick(stash: Stash, us: int) -> None:
    stash.clock += us


def _try_open(stash: Stash, encryption_key: str | None = None) -> None:
    secret = bytes.fromhex(encryption_key) if encryption_key is not None else None
    if secret is not None and len(secret) != 32:
        raise Refused("InvalidArgument", "a key has 32 bytes")
    Stash(stash.directory, stash.clock, read_only=True, secret=secret).close()


OTHER: dict[str, Callable[..., object]] = {
    "get_many": lambda stash, keys: _same_work(stash, keys, stash.get(), _value),
    "delete_many": lambda stash, keys: _same_work(stash, keys, stash.delete(), _same),
    "set_many": _set_many,
    "apply": _apply,
    "transaction": _transaction,
    "keys": _keys,
    "values": _values,
    "items": _items,
    "len": lambda stash: len(stash.items()),
    "clear": lambda stash: stash.clear(),
    "sweep": lambda stash: stash.sweep(),
    "expire_older_than": lambda stash, **window: stash.expire_older_than(**window),
    "tick": _tick,
    "watch": lambda stash, us: stash.watch(us),
    "try_open": _try_open,
}
