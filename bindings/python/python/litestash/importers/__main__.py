"""`litestash-import --from KIND PATH --to DIRECTORY`, also `python -m litestash import …`, and what `litestash import
--from KIND PATH` of the command line hands over to."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys

from .._errors import InvalidArgumentError, LiteStashError
from .._stash import LiteStash
from . import SOURCES, import_store


def main(arguments: list[str] | None = None) -> int:
    """Runs the command. 0 if everything was taken over, 3 if rows were refused, 1 if it failed."""
    parser = argparse.ArgumentParser(
        prog="litestash-import", description="Takes over the rows of another package's store, which is not changed."
    )
    parser.add_argument("path", help="the store: a file or a directory")
    parser.add_argument("--from", dest="kind", required=True, choices=sorted(SOURCES), help="what wrote it")
    parser.add_argument("--to", required=True, metavar="DIRECTORY", help="the stash to write; made if it is missing")
    parser.add_argument("--table", help="one of several tables")
    parser.add_argument(
        "--key-env",
        action="append",
        default=[],
        metavar="NAME",
        help="the environment variable that holds a key of an encrypted store, in hexadecimal",
    )
    parser.add_argument("--json", action="store_true", help="print the report, and errors, for programs")
    parser.add_argument(
        "--pickled",
        choices=["refuse", "bytes", "plain"],
        default="refuse",
        help="pickled values are refused and listed, kept as opaque bytes, or decoded if they are plain data",
    )
    given = parser.parse_args(arguments)
    try:
        keys = [_key(name) for name in given.key_env] or None
        with LiteStash(given.to) as stash:
            report = import_store(given.kind, given.path, stash, pickled=given.pickled, table=given.table, keys=keys)
    except (LiteStashError, OSError, ValueError) as error:
        print(_error(error) if given.json else f"error: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(dataclasses.asdict(report)))
    else:
        print(f"{report.rows} rows, {report.expired} expired, {report.older} older, {report.refused} refused")
        for refusal in report.refusals:
            print(f"refused: {refusal.where}: {refusal.reason}", file=sys.stderr)
    return 3 if report.refused else 0


def _key(name: str) -> bytes:
    try:
        return bytes.fromhex(os.environ[name])
    except (KeyError, ValueError):
        # Of what is in it nothing is told.
        raise InvalidArgumentError(f"the environment variable {name} is not set, or not hexadecimal") from None


def _error(error: Exception) -> str:
    if not isinstance(error, LiteStashError):
        return json.dumps({"error": "Io", "message": str(error)})
    return json.dumps(
        {"error": error.kind, "number": error.number, "retry": error.retry, "message": str(error)}
    )


if __name__ == "__main__":
    sys.exit(main())
