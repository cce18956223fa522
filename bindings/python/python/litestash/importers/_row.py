"""What a source yields, and what becomes of pickles."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any

#: The longest pickle that is decoded.
_PICKLE_BYTES_MAX = 64 << 20


@dataclass(frozen=True)
class Row:
    """A row of another store. Times are Unix times in microseconds."""

    where: str
    key: Any
    value: Any
    expires_us: int | None = None
    stored_us: int | None = None
    bucket: str | None = None


@dataclass(frozen=True)
class Refusal:
    """A row that was not taken over: where it is in the other store, and why."""

    where: str
    reason: str


class Refused(Exception):
    """Why a row is not taken over."""


class _PlainOnly(pickle.Unpickler):
    """Builds plain data; a pickle that names a class or function gets none."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise Refused("the pickle names a class or a function")

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("the pickle names an object outside of it")


class Pickled:
    """What is done with pickled values: `refuse`, `bytes` or `plain`."""

    def __init__(self, how: str) -> None:
        self._how = how

    def value(self, data: bytes) -> Any:
        """The value in place of a pickled one."""
        if self._how == "bytes":
            return data
        return self._plain(data, "value")

    def key(self, data: bytes) -> Any:
        """The key in place of a pickled one, which opaque bytes would not be."""
        return self._plain(data, "key")

    def _plain(self, data: bytes, what: str) -> Any:
        if self._how != "plain":
            raise Refused(f"the {what} is pickled, and unpickling runs code that the file names")
        if len(data) > _PICKLE_BYTES_MAX:
            raise Refused("the pickle is too long")
        try:
            return _listed(_PlainOnly(io.BytesIO(data)).load(), 0)
        except Refused:
            raise
        except Exception as error:  # Whatever a malformed pickle makes of the decoder.
            raise Refused(f"the pickle cannot be decoded: {type(error).__name__}") from error


def _listed(value: Any, depth: int) -> Any:
    """Sets as lists."""
    if depth > 64:
        raise Refused("the pickle is nested too deeply")
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_listed(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {name: _listed(one, depth + 1) for name, one in value.items()}
    return value
