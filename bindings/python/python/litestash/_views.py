"""The views `keys()`, `values()` and `items()` return: they hold nothing and read as they are walked."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any

from . import _typed

if TYPE_CHECKING:
    from ._litestash import Scan
    from ._stash import LiteStash
    from ._typing import Key


class _Scanned:
    """What the three have in common: which rows, and where to begin."""

    _what: str

    def __init__(
        self,
        stash: LiteStash,
        prefix: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        type: Any = None,
    ) -> None:
        self._mapping = stash
        self._which = (prefix, limit, cursor)
        self._load = None if type is None else _typed.loader(type)

    def scan(self) -> Scan[Any]:
        """An iterator whose `cursor` tells where it stands: `keys(cursor=...)` goes on from there later."""
        return self._mapping._scan(self._what, *self._which)

    def _all(self) -> bool:
        return self._which == (None, None, None)

    def __len__(self) -> int:
        if self._all():
            return len(self._mapping)
        return sum(1 for _ in self._mapping._scan("keys", *self._which))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._mapping!r}>"


class StashKeys(_Scanned, KeysView["Key"]):
    """The keys."""

    _what = "keys"

    def __iter__(self) -> Iterator[Key]:
        return self.scan()

    def __contains__(self, key: object) -> bool:
        if self._all():
            return key in self._mapping
        return any(key == one for one in self)


class StashValues(_Scanned, ValuesView[Any]):
    """The values."""

    _what = "values"

    def __iter__(self) -> Iterator[Any]:
        return self.scan() if self._load is None else map(self._load, self.scan())

    def __contains__(self, value: object) -> bool:
        return any(value is one or value == one for one in self)


class StashItems(_Scanned, ItemsView["Key", Any]):
    """The keys with their values."""

    _what = "items"

    def __iter__(self) -> Iterator[tuple[Key, Any]]:
        load = self._load
        return self.scan() if load is None else ((key, load(value)) for key, value in self.scan())

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        if self._all():
            found = self._mapping.entry(item[0])
            return found is not None and bool(found.value == item[1])
        return any(item == one for one in self)
