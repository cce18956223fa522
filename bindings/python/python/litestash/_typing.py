"""Names for annotations."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from ._litestash import Timestamp

#: What can be a key. `1`, `1.0` and `True` are one key, as in a dict.
Key = Union[str, int, float, bytes]

#: A span: seconds, or a timedelta. `math.inf` is for ever where a time to live is asked for.
Seconds = Union[int, float, datetime.timedelta]

#: A moment: an aware datetime, a `Timestamp`, or Unix time in seconds.
Moment = Union[datetime.datetime, "Timestamp", int, float]
