"""What several tests use."""

from __future__ import annotations

from typing import TypeVar

_T = TypeVar("_T")


def some(value: _T | None) -> _T:
    """A value that is there."""
    assert value is not None
    return value
