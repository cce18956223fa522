"""JSON text (RFC 8259) with integers and floats kept apart, duplicate members refused and floats written one way."""

import json
import math

from errors import Refused


def loads(text: str) -> object:
    """Reads one JSON text, or Refused with InvalidValue."""
    try:
        return json.loads(text, parse_float=_float, parse_constant=_constant, object_pairs_hook=_object)
    except ValueError as error:
        raise Refused("InvalidValue", f"JSON: {error}") from error
    except RecursionError as error:
        raise Refused("TooLarge", "JSON is nested too deeply") from error


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Refused("InvalidValue", f"{text} would read as infinite")
    return number


def _constant(text: str) -> object:
    raise Refused("InvalidValue", f"{text} is not JSON")


def _object(pairs: list[tuple[str, object]]) -> dict:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("InvalidValue", "duplicate member")
    return members


def dumps(tree: object) -> str:
    """Compact JSON. Escapes only what RFC 8259 section 7 requires."""
    if isinstance(tree, float):
        return float_text(tree)
    if isinstance(tree, list):
        return "[" + ",".join(map(dumps, tree)) + "]"
    if isinstance(tree, dict):
        return "{" + ",".join(f"{dumps(name)}:{dumps(content)}" for name, content in tree.items()) + "}"
    return json.dumps(tree, ensure_ascii=False)


def float_text(number: float) -> str:
    """The shortest digits that read back to the same number: plain from 1e-5 up to 1e16, else with an exponent."""
    if not math.isfinite(number):
        raise ValueError("JSON has no number for this float")
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    if number == 0:
        return sign + "0.0"
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is 0.DIGITS times ten to the power of `point`.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if 0 < point <= 16:
        return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"
    if -5 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1}"
