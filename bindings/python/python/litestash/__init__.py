"""An embedded key-value store: a directory of SQLite files that any number of threads, processes and languages use at
once, with a byte-exact data contract.

>>> from litestash import LiteStash
>>> stash = LiteStash.memory()
>>> stash["user:1001"] = {"name": "Ada", "age": 36}
>>> stash["user:1001"]["name"]
'Ada'
>>> stash.incr("visits")
1
>>> stash.set("session:9", {"cart": []}, ttl=60) is not None
True
>>> sorted(stash)
['session:9', 'user:1001', 'visits']
>>> stash.close()

`LiteStash` is the store, `AsyncLiteStash` its twin for asyncio. `litestash.importers` takes over the stores of other
packages; `litestash.plugs` has adapters for frameworks.
"""

from __future__ import annotations

from . import _errors, _lifecycle
from ._async import AsyncLiteStash
from ._errors import *  # noqa: F403
from ._litestash import Entry, Event, Op, Subscription, Timestamp, __version__, repair, sqlite_version
from ._missing import MISSING, Missing
from ._stash import LiteStash
from ._subscriber import Subscriber
from ._transaction import Transaction
from ._typing import Key, Seconds

__all__ = [
    "MISSING",
    "AsyncLiteStash",
    "Entry",
    "Event",
    "Key",
    "LiteStash",
    "Missing",
    "Op",
    "Seconds",
    "Subscriber",
    "Subscription",
    "Timestamp",
    "Transaction",
    "__version__",
    "repair",
    "sqlite_version",
]
__all__ += _errors.__all__

_lifecycle.begin()
