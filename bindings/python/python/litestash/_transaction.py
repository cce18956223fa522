"""`with stash.transact() as txn:` — several reads and writes that happen together, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from . import _typed
from ._errors import ConflictError, InvalidArgumentError, NumberOverflowError, RefusedError, TypeMismatchError
from ._litestash import Op
from ._missing import MISSING

if TYPE_CHECKING:
    from ._stash import LiteStash
    from ._typing import Key, Seconds

_MIN, _MAX = -(2**63), 2**63 - 1


class _Write:
    """What a block wants a key to become: a value (or MISSING), and the operation that makes it so."""

    __slots__ = ("op", "value")

    def __init__(self, value: Any, op: Op) -> None:
        self.value = value
        self.op = op


class Transaction:
    """Reads see the stash as it is, with the block's own writes; writes wait for the end of the block.

    At its end everything is done in one step, if what was read still is what is stored; else nothing is, and the block
    raises `ConflictError`. An exception in the block leaves the stash as it was. A block inside it is a savepoint: an
    exception in the inner one undoes the inner one's writes only.
    """

    def __init__(self, stash: LiteStash) -> None:
        self._stash = stash
        # By key: the version that was seen, or None for a key that was not there.
        self._seen: dict[Key, int | None] = {}
        self._values: dict[Key, Any] = {}
        # The writes of this block, and of those inside it.
        self._layers: list[dict[Key, _Write]] = [{}]
        self._thread = threading.get_ident()
        self._over = False

    # Reading

    def _current(self, key: Key) -> Any:
        self._check()
        for layer in reversed(self._layers):
            if key in layer:
                return layer[key].value
        return self._stored(key)

    def _stored(self, key: Key) -> Any:
        if key not in self._seen:
            entry = self._stash.entry(key)
            self._seen[key] = None if entry is None else entry.version
            self._values[key] = MISSING if entry is None else entry.value
        return self._values[key]

    def get(self, key: Key, default: Any = None, *, type: Any = None) -> Any:
        """The value of a key, or `default`."""
        value = self._current(key)
        if value is MISSING:
            return default
        return value if type is None else _typed.load(type, value)

    def __getitem__(self, key: Key) -> Any:
        value = self._current(key)
        if value is MISSING:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self._current(cast("Key", key)) is not MISSING

    # Writing

    def set(
        self,
        key: Key,
        value: Any,
        *,
        ttl: Seconds | None = None,
        idle: Seconds | None = None,
        expires_at: Any = None,
        keep_ttl: bool = False,
    ) -> None:
        """Stores a value when the block ends."""
        self._check()
        # Encoded here: what cannot be stored is refused at once, and what becomes of the object later is its own.
        op = Op.set(key, value, ttl=ttl, idle=idle, expires_at=expires_at, keep_ttl=keep_ttl)
        self._layers[-1][key] = _Write(value, op)

    def __setitem__(self, key: Key, value: Any) -> None:
        self.set(key, value)

    def delete(self, key: Key) -> bool:
        """Deletes a key when the block ends. Returns whether it was there."""
        was_there = self._current(key) is not MISSING
        if was_there:
            self._layers[-1][key] = _Write(MISSING, Op.delete(key))
        return was_there

    def __delitem__(self, key: Key) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def add(self, key: Key, value: Any, *, ttl: Seconds | None = None) -> bool:
        """Stores a value if the key is not there. Returns whether it did."""
        if self._current(key) is not MISSING:
            return False
        self.set(key, value, ttl=ttl)
        return True

    def take(self, key: Key, default: Any = None) -> Any:
        """The value of a key, which is deleted."""
        value = self._current(key)
        if value is MISSING:
            return default
        self.delete(key)
        return value

    pop = take

    def incr(self, key: Key, by: int = 1) -> int:
        """Adds to an integer; a key that is not there counts as 0, a row keeps its deadline."""
        value = self._current(key)
        old = 0 if value is MISSING else value
        if type(old) is not int:
            raise TypeMismatchError("the stored value is no integer")
        if not _MIN <= old + by <= _MAX:
            raise NumberOverflowError("the number would leave its range")
        self.set(key, old + by, keep_ttl=value is not MISSING)
        return old + by

    def decr(self, key: Key, by: int = 1) -> int:
        """Subtracts from an integer."""
        return self.incr(key, -by)

    def update(self, items: Any = (), **more: Any) -> None:
        """Stores many values when the block ends."""
        for key, value in dict(items, **more).items():
            self.set(key, value)

    # The block's end

    def _check(self) -> None:
        if self._over:
            raise InvalidArgumentError("the transaction is over")
        if self._thread != threading.get_ident():
            raise InvalidArgumentError("a transaction belongs to the thread that began it")

    def rollback(self) -> None:
        """Forgets what the block wrote so far."""
        self._check()
        self._layers[-1].clear()

    @contextmanager
    def savepoint(self) -> Iterator[Transaction]:
        """A block inside this one: an exception undoes what it wrote, and goes on to the caller."""
        self._check()
        self._layers.append({})
        depth = len(self._layers)
        try:
            yield self
        except BaseException:
            del self._layers[depth - 1 :]
            raise
        self._layers[depth - 2].update(self._layers[depth - 1])
        del self._layers[depth - 1 :]

    def _ops(self) -> list[Op]:
        checks = [
            Op.check(key, absent=True) if version is None else Op.check(key, version=version)
            for key, version in self._seen.items()
        ]
        return checks + [write.op for write in self._layers[0].values()]

    def _commit(self) -> None:
        ops = self._ops()
        self._over = True
        try:
            self._stash.transaction(ops)
        except RefusedError:
            raise ConflictError("what the block had read was written by somebody else; nothing was done") from None


#: The transactions that run here, by the identity of their stash: of this thread, or of this task of asyncio.
_running: ContextVar[dict[int, Transaction]] = ContextVar("litestash-transactions", default={})


@contextmanager
def transact(stash: LiteStash) -> Iterator[Transaction]:
    """The block of `LiteStash.transact`."""
    running = _running.get()
    outer = running.get(id(stash))
    if outer is not None:
        with outer.savepoint():
            yield outer
        return
    transaction = Transaction(stash)
    token = _running.set({**running, id(stash): transaction})
    try:
        yield transaction
    except BaseException:
        transaction._over = True
        raise
    finally:
        _running.reset(token)
    transaction._commit()
