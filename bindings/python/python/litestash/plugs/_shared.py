"""Stashes that adapters made by configuration share: one for each directory and options in a process."""

from __future__ import annotations

import os
import threading
from typing import Any

from .._stash import LiteStash

_lock = threading.Lock()
_open: dict[tuple[str, str], LiteStash] = {}


def shared(path: str | os.PathLike[str], options: dict[str, Any]) -> LiteStash:
    """The stash in a directory, opened by whoever asks first."""
    key = os.path.abspath(os.path.expanduser(os.fspath(path))), repr(sorted(options.items()))
    with _lock:
        stash = _open.get(key)
        if stash is None or stash.closed:
            stash = _open[key] = LiteStash(path, **options)
        return stash


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
