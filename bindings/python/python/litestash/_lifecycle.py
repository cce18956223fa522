"""The end of the interpreter, and the beginning of a forked child."""

from __future__ import annotations

import atexit
import weakref
from typing import Protocol

from ._errors import LiteStashError
from ._litestash import begin_exit


class _Closable(Protocol):
    def close(self) -> None: ...


# By identity: a stash has no hash, as a dict has none.
_stashes: weakref.WeakValueDictionary[int, _Closable] = weakref.WeakValueDictionary()
_subscribers: weakref.WeakValueDictionary[int, _Closable] = weakref.WeakValueDictionary()


def opened(stash: _Closable) -> None:
    """Remembers a stash, to close it when the interpreter ends."""
    _stashes[id(stash)] = stash


def subscribed(subscriber: _Closable) -> None:
    """Remembers a thread with a callback, to end it before the interpreter does."""
    _subscribers[id(subscriber)] = subscriber


def _end() -> None:
    # Callbacks first, which may use a stash. Daemon threads stay where they are from then on, and what waits to be
    # written is written.
    _close(_subscribers)
    begin_exit()
    _close(_stashes)


def _close(closables: weakref.WeakValueDictionary[int, _Closable]) -> None:
    for closable in list(closables.values()):
        try:
            closable.close()
        except LiteStashError:  # Nobody is left to hear of it; what was acknowledged is in the log.
            pass


def begin() -> None:
    """Called once, by the package."""
    atexit.register(_end)
