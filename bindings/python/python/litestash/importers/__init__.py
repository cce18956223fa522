"""Taking over the stores of other packages, without those packages.

>>> from litestash import importers
>>> sorted(importers.SOURCES)
['diskcache', 'diskstore', 'kv-cache', 'litestash-beta', 'livedict', 'sqlitedict']

`import_store(kind, path, stash)` reads a store, which is not changed, and writes its rows with their deadlines and,
where the store has them, their times. Nothing is ever unpickled unasked: unpickling runs whatever code the file names.
A pickled key or value is refused and listed in the report; `pickled="bytes"` takes values over as opaque bytes, and
`pickled="plain"` decodes those that are plain data (None, bool, int, float, str, bytes, lists, tuples, dicts, sets) and
still refuses everything that names a class or function.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .._errors import InvalidArgumentError, LiteStashError, NoStashError
from .._stash import LiteStash
from . import _diskcache, _sqlite, _livedict
from ._row import Pickled, Refusal, Row

__all__ = ["SOURCES", "Pickled", "Refusal", "Report", "Row", "import_store"]

#: How many rows are written at a time.
_BATCH = 1000

#: How many refusals a report keeps; further ones are only counted.
_KEPT = 1000

_Source = Callable[..., Iterator["Row | Refusal"]]

#: The stores that can be read.
SOURCES: dict[str, _Source] = {
    "diskcache": _diskcache.rows,
    "diskstore": _sqlite.diskstore,
    "kv-cache": _sqlite.kv_cache,
    "litestash-beta": _sqlite.litestash_beta,
    "livedict": _livedict.rows,
    "sqlitedict": _sqlite.sqlitedict,
}


@dataclass
class Report:
    """What an import did."""

    #: Rows written.
    rows: int = 0
    #: Rows that had expired, and were left behind.
    expired: int = 0
    #: Rows left alone because the stash has the same or a newer version.
    older: int = 0
    #: How many rows were refused.
    refused: int = 0
    #: The first thousand of them: where, and why.
    refusals: list[Refusal] = field(default_factory=list)

    def _refuse(self, refusal: Refusal) -> None:
        self.refused += 1
        if len(self.refusals) < _KEPT:
            self.refusals.append(refusal)


def import_store(
    kind: str,
    path: str | os.PathLike[str],
    stash: LiteStash,
    *,
    pickled: Literal["refuse", "bytes", "plain"] = "refuse",
    table: str | None = None,
    keys: list[bytes] | None = None,
) -> Report:
    """Writes the rows of another package's store at `path` into a stash.

    `table` chooses one of several tables of a file. `keys` are the keys of an encrypted LiveDict store, which needs the
    package `cryptography`. Buckets of LiveDict become buckets, but for its default one.
    """
    source = SOURCES.get(kind)
    if source is None:
        raise InvalidArgumentError(f"the kind of a store is one of {', '.join(sorted(SOURCES))}")
    if pickled not in ("refuse", "bytes", "plain"):
        raise InvalidArgumentError("pickled is 'refuse', 'bytes' or 'plain'")
    place = Path(path).expanduser()
    if not place.exists():
        raise NoStashError("there is no store at that place")
    report = Report()
    rows = source(place, Pickled(pickled), table=table, keys=keys)
    while batch := list(itertools.islice(rows, _BATCH)):
        _write(stash, batch, report)
    return report


def _write(stash: LiteStash, batch: list[Row | Refusal], report: Report) -> None:
    now_us = time.time_ns() // 1000
    by_bucket: dict[str | None, list[Row]] = {}
    for row in batch:
        if isinstance(row, Refusal):
            report._refuse(row)
        elif row.expires_us is not None and row.expires_us <= now_us:
            report.expired += 1
        else:
            by_bucket.setdefault(row.bucket, []).append(row)
    for bucket, rows in by_bucket.items():
        target = stash if bucket is None else stash.bucket(bucket)
        try:
            _count(report, target._import_rows([_tuple(row) for row in rows]), rows)
        except (LiteStashError, TypeError):
            # One of them cannot be stored: which one shows when they go one by one.
            for row in rows:
                try:
                    _count(report, target._import_rows([_tuple(row)]), [row])
                except (LiteStashError, TypeError) as error:
                    report._refuse(Refusal(row.where, str(error)))


def _tuple(row: Row) -> tuple[Any, Any, int | None, int | None]:
    return row.key, row.value, row.expires_us, row.stored_us


def _count(report: Report, done: dict[str, Any], rows: list[Row]) -> None:
    report.rows += done["rows"]
    report.older += done["older"]
    for rejected in done["rejected"]:
        report._refuse(Refusal(rows[rejected["line"] - 1].where, rejected["message"]))
