"""A stash as a mapping of values of one type."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _typed

if TYPE_CHECKING:
    from ._stash import LiteStash
    from ._typing import Seconds

_T = TypeVar("_T")


class TypedStash(MutableMapping[str, _T], Generic[_T]):
    """Text keys that begin with a prefix, and values of one type. A value of another type is `TypeMismatchError`."""

    def __init__(self, stash: LiteStash, type: Any, prefix: str = "") -> None:
        self._stash = stash
        self._prefix = prefix
        self._load = _typed.loader(type)
        encode = getattr(type, "encode", None)
        # A codec also says how its values are stored.
        self._dump = encode if callable(encode) and callable(getattr(type, "decode", None)) else None

    def __getitem__(self, key: str) -> _T:
        return self._loaded(self._stash[self._prefix + key])

    def _loaded(self, value: Any) -> _T:
        loaded: _T = self._load(value)
        return loaded

    def set(self, key: str, value: _T, *, ttl: Seconds | None = None) -> None:
        """Stores a value with a time to live."""
        self._stash.set(self._prefix + key, value if self._dump is None else self._dump(value), ttl=ttl)

    def __setitem__(self, key: str, value: _T) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        del self._stash[self._prefix + key]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._prefix + key in self._stash

    def __iter__(self) -> Iterator[str]:
        for key in self._stash.keys(prefix=self._prefix):
            yield str(key)[len(self._prefix) :]

    def __len__(self) -> int:
        return len(self._stash.keys(prefix=self._prefix))
