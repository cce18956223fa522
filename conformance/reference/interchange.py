"""Keys and values as JSON trees and back (INTERCHANGE.md). Trees are what jsontext reads and writes."""

import base64
import binascii
import math

import rfc3339
from errors import Refused
from values import INTEGER_MIN, UNSIGNED_MAX, Timestamp, Vector, fits_i64, vector_problem

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def value_from_json(tree: object) -> object:
    """The value a tree stands for, or Refused with InvalidValue."""
    if tree is None or isinstance(tree, (bool, float)):
        return tree
    if isinstance(tree, int):
        if not INTEGER_MIN <= tree <= UNSIGNED_MAX:
            raise _invalid("integer out of range")
        return tree
    if isinstance(tree, str):
        return _text(tree)
    if isinstance(tree, list):
        return [value_from_json(element) for element in tree]
    if len(tree) == 1:
        name, content = next(iter(tree.items()))
        if name.startswith("$"):
            return _tagged(name, content)
    return _map(tree)


def value_to_json(value: object) -> object:
    if isinstance(value, float):
        return _float_to_json(value)
    if isinstance(value, bytes):
        return {"$bytes": _base64(value)}
    if isinstance(value, list):
        return [value_to_json(element) for element in value]
    if isinstance(value, dict):
        tree = {name: value_to_json(content) for name, content in value.items()}
        tagged = len(tree) == 1 and next(iter(tree)).startswith("$")
        return {"$map": tree} if tagged else tree
    if isinstance(value, Timestamp):
        return {"$timestamp": rfc3339.text(value) or [value.seconds, value.nanoseconds]}
    if isinstance(value, Vector):
        return {"$vector": _base64(value.payload)}
    return value


def key_from_json(tree: object) -> object:
    """What keys.make_key takes, or Refused with InvalidKey."""
    if isinstance(tree, dict) and len(tree) == 1 and next(iter(tree)) in ("$bytes", "$float"):
        try:
            return value_from_json(tree)
        except Refused as error:
            raise Refused("InvalidKey", error.detail) from error
    if isinstance(tree, (str, int, float)) and not isinstance(tree, bool):
        return tree
    raise Refused("InvalidKey", "no key in JSON")


def key_to_json(native: object) -> object:
    """Keys are written as values are: the forms of INTERCHANGE.md are the same."""
    return value_to_json(native)


def _invalid(detail: str) -> Refused:
    return Refused("InvalidValue", detail)


def _text(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _invalid("unpaired surrogate") from error
    return text


def _map(tree: dict) -> dict:
    return {_text(name): value_from_json(content) for name, content in tree.items()}


def _tagged(name: str, content: object) -> object:
    if name == "$map" and isinstance(content, dict):
        return _map(content)
    if name == "$float" and isinstance(content, str) and content in NOT_FINITE:
        return NOT_FINITE[content]
    if name == "$bytes" and isinstance(content, str):
        return _from_base64(content)
    if name == "$vector" and isinstance(content, str):
        payload = _from_base64(content)
        problem = vector_problem(payload)
        if problem:
            raise _invalid(problem)
        return Vector(payload)
    if name == "$timestamp" and isinstance(content, str):
        return rfc3339.parse(content)
    if name == "$timestamp" and isinstance(content, list):
        return _timestamp(content)
    raise _invalid(f"tag {name} with this content")


def _timestamp(content: list) -> Timestamp:
    if len(content) != 2 or any(isinstance(part, bool) or not isinstance(part, int) for part in content):
        raise _invalid("a timestamp is two integers")
    seconds, nanoseconds = content
    if not fits_i64(seconds) or not 0 <= nanoseconds <= 999_999_999:
        raise _invalid("timestamp out of range")
    value = Timestamp(seconds, nanoseconds)
    if rfc3339.text(value) is not None:
        raise _invalid("two numbers are for years outside 0000 to 9999")
    return value


def _float_to_json(number: float) -> object:
    if math.isnan(number):
        return {"$float": "nan"}
    if math.isinf(number):
        return {"$float": "inf" if number > 0 else "-inf"}
    return number


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _from_base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("base64") from error
    # b64decode overlooks set bits after the last byte, and padding after padding.
    if _base64(raw) != text:
        raise _invalid("base64 is not canonical")
    return raw
