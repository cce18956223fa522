"""A function that is called for each event, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from . import _lifecycle
from ._litestash import Event, Subscription

_log = logging.getLogger("litestash")


class Subscriber:
    """A subscription whose events go to a function.

    The function may use the stash. An exception in it is logged (logger `litestash`) and counted, and it is called for
    the next event. `close` ends the subscription and waits for a call that runs, unless it is that call which closes.
    """

    def __init__(self, events: Subscription, function: Callable[[Event], object]) -> None:
        self._events = events
        self._function = function
        #: How many calls raised.
        self.failed = 0
        self._thread = threading.Thread(target=self._run, name="litestash-events", daemon=True)
        _lifecycle.subscribed(self)
        self._thread.start()

    def _run(self) -> None:
        for event in self._events:
            try:
                self._function(event)
            except Exception:
                self.failed += 1
                _log.exception("the function of a subscriber failed")

    @property
    def dropped(self) -> int:
        """How many events were dropped because the function was too slow."""
        return self._events.dropped

    @property
    def closed(self) -> bool:
        """Whether the function will not be called any more."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Ends the subscription."""
        self._events.close()
        if self._thread is not threading.current_thread() and self._thread.is_alive():
            self._thread.join(timeout=5)

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
