"""Names for annotations."""

from __future__ import annotations

import datetime
from typing import Union

#: What can be a key. `1`, `1.0` and `True` are one key, as in a dict.
Key = Union[str, int, float, bytes]

#: A span: seconds, or a timedelta. `math.inf` is for ever where a time to live is asked for.
Seconds = Union[int, float, datetime.timedelta]
