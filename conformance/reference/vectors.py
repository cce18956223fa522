"""Answers the cases of a vector file (PROTOCOL.md). Expectations in the file are not looked at."""

import struct
import zlib
from collections.abc import Callable

import jsontext
import keyring
import record
from decode import decode
from encode import encode
from errors import Refused
from interchange import key_to_json, value_from_json, value_to_json
from keys import make_key
from sealing import Crypt, Place


def answer(kind: str, case: dict) -> dict:
    try:
        return KINDS[kind](case)
    except Refused as error:
        return {"error": error.kind}


def _keys(case: dict) -> dict:
    key = make_key(_native(case["type"], case["input"]))
    return {
        "key": key_to_json(key.native),
        "storage": key.storage,
        "hash": key.hash.hex(),
        "shard": key.shard,
        "slot": key.slot,
    }


def _native(kind: str, text: str) -> object:
    if kind == "integer":
        return int(text)
    raw = bytes.fromhex(text)
    if kind == "float":
        return struct.unpack(">d", raw)[0]
    if kind == "bytes":
        return raw
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("InvalidKey", "text is not UTF-8") from error


def _values_valid(case: dict) -> dict:
    encoded = encode(value_from_json(case["value"]))
    return {"encoded": encoded.hex(), "value": value_to_json(decode(bytes.fromhex(case["encoded"])))}


def _values_invalid(case: dict) -> dict:
    return {"value": value_to_json(decode(bytes.fromhex(case["encoded"])))}


def _crc(case: dict) -> dict:
    return {"crc": f"{zlib.crc32(bytes.fromhex(case['data'])):08x}"}


def _records(case: dict) -> dict:
    hash_, raw = bytes.fromhex(case["key_hash"]), bytes.fromhex(case["record"])
    parsed = record.parse(hash_, case["timestamp"], case["microsecond"], raw)
    return _record(parsed)


def _record(parsed: record.Record) -> dict:
    return {
        "flags": parsed.flags,
        "expires_at": parsed.expires_at,
        "idle_us": parsed.idle_us,
        "body": parsed.body.hex(),
    }


def _sealed(case: dict) -> dict:
    keys = keyring.from_bytes(bytes.fromhex(case["keyring"]), bytes.fromhex(case["encryption_key"]))
    crypt = Crypt(keys, case["bucket"])
    place = Place(case["shard"], case["slot"], bytes.fromhex(case["key_hash"]))
    parsed = record.parse(
        place.key_hash, case["timestamp"], case["microsecond"], bytes.fromhex(case["record"]), crypt, place
    )
    key = crypt.open_key(place, bytes.fromhex(case["key_column"]))
    if make_key(key, crypt.hash_key).hash != place.key_hash:
        raise Refused("Corrupt", "the key has another hash")
    return {"key": key_to_json(key)} | _record(parsed)


def _interchange(case: dict) -> dict:
    return {"encoded": encode(value_from_json(jsontext.loads(case["json"]))).hex()}


KINDS: dict[str, Callable[[dict], dict]] = {
    "keys": _keys,
    "values_valid": _values_valid,
    "values_invalid": _values_invalid,
    "crc": _crc,
    "records": _records,
    "sealed": _sealed,
    "interchange": _interchange,
}
