"""The export of INTERCHANGE.md, with versions."""

from collections.abc import Iterator
from pathlib import Path

from decode import decode
from interchange import key_to_json, value_to_json
from stash import Stash


def lines(directory: Path, secret: bytes | None = None) -> Iterator[dict]:
    """One tree for each row that has not expired at clock 0."""
    stash = Stash(directory, clock=0, read_only=True, secret=secret)
    try:
        for key, entry in stash.items():
            line = {"key": key_to_json(key), "value": value_to_json(decode(entry.body))}
            if entry.expires_at is not None:
                line["expires_at"] = entry.expires_at
            if entry.idle_us is not None:
                line["idle_us"] = entry.idle_us
            yield line | {"version": entry.version}
    finally:
        stash.close()
