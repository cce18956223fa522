"""Objects of other types as what a stash can hold, and as arguments of memoized calls. The native part asks here for
every type that it does not know itself."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
import sys
import uuid
from array import array
from typing import Any

from ._errors import InvalidKeyError, InvalidValueError

_TEXT = (uuid.UUID, decimal.Decimal, pathlib.PurePath)


def plain(value: Any) -> tuple[bool, Any]:
    """`(False, value to store in its place)`, or `(True, binary32 numbers of a vector as bytes)`."""
    if isinstance(value, array):
        if value.typecode == "f":
            return True, value.tobytes()
        raise InvalidValueError(f"an array of type {value.typecode!r} cannot be stored; an array('f') is a vector")
    if isinstance(value, memoryview):
        return False, value.tobytes()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        if value.dtype == numpy.float32 and value.ndim == 1:
            return True, numpy.ascontiguousarray(value, dtype="=f4").tobytes()
        raise InvalidValueError("a numpy array is stored as a vector if it is of float32 and of one dimension")
    if numpy is not None and isinstance(value, numpy.generic):
        return False, value.item()
    if isinstance(value, enum.Enum):
        return False, value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return False, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(type(value), "__pydantic_serializer__") and hasattr(value, "model_dump"):
        return False, value.model_dump(mode="python", by_alias=False)  # pyright: ignore[reportAttributeAccessIssue]
    fields = getattr(type(value), "__struct_fields__", None)
    if fields is not None:
        return False, {name: getattr(value, name) for name in fields}
    # What models hold, and read back from.
    if isinstance(value, _TEXT):
        return False, str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return False, value.isoformat()
    raise InvalidValueError(
        f"a {type(value).__name__} cannot be stored; a stash holds None, bool, int, float, str, bytes, aware datetimes, "
        "lists, dicts with text keys, vectors (array('f'), numpy float32), dataclasses, pydantic models and msgspec "
        "structs"
    )


def argument(value: Any) -> tuple[str, bool, Any]:
    """The name of an argument's type, whether it is a set, and what tells it from others of its type."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, type):
        return "type", False, f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (set, frozenset)):
        return name, True, value
    own = getattr(value, "__cache_key__", None)
    if own is not None:
        return name, False, own()
    if isinstance(value, enum.Enum):
        return name, False, value.name
    if isinstance(value, functools.partial):
        raise _no_argument(value)
    base: Any
    for base in (str, int, float, bytes, tuple, list, dict):
        if isinstance(value, base):
            return name, False, base(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return name, False, value.isoformat()
    if isinstance(value, datetime.timedelta):
        return name, False, (value.days, value.seconds, value.microseconds)
    try:
        is_vector, inner = plain(value)
    except InvalidValueError:
        raise _no_argument(value) from None
    return name, False, (is_vector, inner)


def _no_argument(value: object) -> InvalidKeyError:
    return InvalidKeyError(
        f"a call with a {type(value).__name__} cannot be told from others by it: give the class a method "
        "__cache_key__() or memoize with key="
    )
