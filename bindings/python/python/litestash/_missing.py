"""The object that stands for a row that is not there."""

from __future__ import annotations

from typing import Final


class Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


#: What stands for a row that is not there where None could be a value.
MISSING: Final = Missing()
