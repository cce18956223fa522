"""Values of a type that the caller names: `get(key, type=User)` gives a `User` or raises `TypeMismatchError`.

Pydantic models are validated by pydantic, msgspec structs by msgspec. Dataclasses, named tuples, enumerations and the
types that stand in annotations are checked here, with no dependency."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
import sys
import types
import typing
import uuid
from array import array
from typing import Any, Callable, Union

from ._errors import TypeMismatchError

_Loader = Callable[[Any], Any]


def load(kind: Any, value: Any) -> Any:
    """The value as that type; an object with a method `decode` is a codec and asked itself."""
    return loader(kind)(value)


def loader(kind: Any) -> _Loader:
    """The function that makes values of that type."""
    try:
        return _loader(kind)
    except TypeError:  # What cannot be hashed cannot be remembered.
        return _made(kind)


@functools.lru_cache(maxsize=512)
def _loader(kind: Any) -> _Loader:
    return _made(kind)


def _mismatch(kind: Any, value: object) -> TypeMismatchError:
    name = getattr(kind, "__name__", None) or str(kind)
    return TypeMismatchError(f"the stored value is no {name}: it has a {type(value).__name__} there")


def _made(kind: Any) -> _Loader:
    if kind is Any or kind is object:
        return lambda value: value
    if kind is None or kind is type(None):
        return lambda value: _exact(type(None), value)
    origin = typing.get_origin(kind)
    if origin is not None:
        return _generic(kind, origin, typing.get_args(kind))
    if isinstance(kind, typing.NewType):
        return _made(kind.__supertype__)
    if not isinstance(kind, type):
        if callable(getattr(kind, "decode", None)):
            return _guarded(kind, kind.decode)
        raise TypeError(f"{kind!r} is no type that values can be read as")
    if hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_validate"):
        return _guarded(kind, kind.model_validate)
    if hasattr(kind, "__struct_fields__"):
        return _struct(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if typing.is_typeddict(kind):
        return _typed_dict(kind)
    if issubclass(kind, enum.Enum):
        return _guarded(kind, kind)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple(kind)
    return _simple(kind)


def _simple(kind: type) -> _Loader:
    if kind is float:
        return lambda value: float(value) if type(value) is int else _exact(float, value)
    if kind is tuple:
        return lambda value: tuple(_exact(list, value))
    if kind in (set, frozenset):
        return lambda value: kind(_exact(list, value))
    if kind is datetime.datetime:
        return lambda value: _exact(datetime.datetime, value)
    if kind in (datetime.date, datetime.time):
        return _text(kind, kind.fromisoformat)
    if issubclass(kind, (uuid.UUID, decimal.Decimal, pathlib.PurePath)):
        return _text(kind, kind)
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return lambda value: numpy.frombuffer(_exact(array, value), dtype=numpy.float32)
    if kind in (bool, int, str, bytes, list, dict, array):
        return lambda value: _exact(kind, value)
    codec = getattr(kind, "decode", None)
    if callable(codec) and kind not in (str, bytes):
        return _guarded(kind, codec)
    raise TypeError(f"values cannot be read as {kind.__name__}")


def _exact(kind: type, value: Any) -> Any:
    if type(value) is kind or (isinstance(value, kind) and kind is not int):
        return value
    raise _mismatch(kind, value)


def _text(kind: Any, make: _Loader) -> _Loader:
    return _guarded(kind, lambda value: make(_exact(str, value)))


def _guarded(kind: Any, make: _Loader) -> _Loader:
    def load(value: Any) -> Any:
        try:
            return make(value)
        except TypeMismatchError:
            raise
        except (ValueError, TypeError, LookupError, decimal.DecimalException) as error:
            # The causes of validation errors show values; the text here does not.
            raise _mismatch(kind, value) from error

    return load


def _struct(kind: type) -> _Loader:
    import msgspec

    def load(value: Any) -> Any:
        try:
            return msgspec.convert(value, kind, builtin_types=(bytes, datetime.datetime))
        except msgspec.ValidationError as error:
            raise _mismatch(kind, value) from error

    return load


def _fields(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=False)


def _dataclass(kind: Any) -> _Loader:
    hints: dict[str, Any] = {}
    fields = dataclasses.fields(kind)
    needed = {
        field.name
        for field in fields
        if field.init and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    init = {field.name for field in fields if field.init}
    names = {field.name for field in fields}

    def load(value: Any) -> Any:
        if not hints:
            # Not before it is needed: a class may name itself.
            hints.update({name: loader(hint) for name, hint in _fields(kind).items() if name in names})
        members = _exact(dict, value)
        if not needed <= members.keys() <= names:
            raise _mismatch(kind, value)
        return kind(**{name: hints[name](member) for name, member in members.items() if name in init})

    return _guarded(kind, load)


def _typed_dict(kind: Any) -> _Loader:
    hints: dict[str, Any] = {}

    def load(value: Any) -> Any:
        if not hints:
            hints.update({name: loader(_bare(hint)) for name, hint in _fields(kind).items()})
        members = _exact(dict, value)
        if not kind.__required_keys__ <= members.keys() <= hints.keys():
            raise _mismatch(kind, value)
        return {name: hints[name](member) for name, member in members.items()}

    return load


def _bare(hint: Any) -> Any:
    """Without `Required` and `NotRequired`."""
    name = getattr(typing.get_origin(hint), "_name", None)
    return typing.get_args(hint)[0] if name in ("Required", "NotRequired", "ReadOnly") else hint


def _named_tuple(kind: Any) -> _Loader:
    hints = _fields(kind)
    loaders = [loader(hints.get(name, Any)) for name in kind._fields]

    def load(value: Any) -> Any:
        members = _exact(list, value)
        if len(members) != len(loaders):
            raise _mismatch(kind, value)
        return kind._make(make(member) for make, member in zip(loaders, members, strict=True))

    return load


def _generic(kind: Any, origin: Any, args: tuple[Any, ...]) -> _Loader:
    if origin is typing.Annotated:
        return loader(args[0])
    if origin is typing.Literal:

        def literal(value: Any) -> Any:
            if any(value == one and type(value) is type(one) for one in args):
                return value
            raise _mismatch(kind, value)

        return literal
    if origin in (Union, types.UnionType):
        return _union(kind, [loader(arm) for arm in args])
    if origin in (list, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set):
        make = {set: set, frozenset: frozenset, collections.abc.Set: frozenset}.get(origin, list)
        element = loader(args[0])
        return lambda value: make(element(one) for one in _exact(list, value))
    if origin in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        if args[0] is not str and args[0] is not Any:
            raise TypeError("a stored dict has text keys")
        member = loader(args[1])
        return lambda value: {name: member(one) for name, one in _exact(dict, value).items()}
    if origin is tuple:
        return _tuple(kind, args)
    if hasattr(origin, "model_validate") or dataclasses.is_dataclass(origin):
        return loader(kind if hasattr(kind, "model_validate") and isinstance(kind, type) else origin)
    raise TypeError(f"values cannot be read as {kind}")


def _union(kind: Any, arms: list[_Loader]) -> _Loader:
    def load(value: Any) -> Any:
        for arm in arms:
            try:
                return arm(value)
            except TypeMismatchError:
                continue
        raise _mismatch(kind, value)

    return load


def _tuple(kind: Any, args: tuple[Any, ...]) -> _Loader:
    if len(args) == 2 and args[1] is Ellipsis:
        element = loader(args[0])
        return lambda value: tuple(element(one) for one in _exact(list, value))
    loaders = [loader(arm) for arm in args]

    def load(value: Any) -> Any:
        members = _exact(list, value)
        if len(members) != len(loaders):
            raise _mismatch(kind, value)
        return tuple(make(member) for make, member in zip(loaders, members, strict=True))

    return load
