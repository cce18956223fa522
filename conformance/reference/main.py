"""The reference as a runner: `script`, `vectors`, `dump` and `serve` as PROTOCOL.md has them, and `check DIR [KEY]`."""

import sys

sys.dont_write_bytecode = True

import sqlite3
from pathlib import Path

import check
import dump
import jsontext
import script
import vectors
from errors import Refused
from serve import serve

USAGE = "usage: main.py script FILE DIR | vectors FILE | dump DIR [KEY] | check DIR [KEY] | serve"


def main(arguments: list[str]) -> int:
    match arguments:
        case ["script", file, directory]:
            show(script.run(load(file), Path(directory)))
        case ["vectors", file]:
            table = load(file)
            show({"id": case["id"], "result": vectors.answer(table["kind"], case)} for case in table["cases"])
        case ["dump", directory, *key] if len(key) <= 1:
            show(dump.lines(Path(directory), secret(key)))
        case ["check", directory, *key] if len(key) <= 1:
            return report(check.check(Path(directory), secret(key)))
        case ["serve"]:
            return serve(main)
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    return 0


def secret(key: list[str]) -> bytes | None:
    return bytes.fromhex(key[0]) if key else None


def load(file: str) -> dict:
    return jsontext.loads(Path(file).read_text(encoding="utf-8"))


def show(trees) -> None:
    for tree in trees:
        sys.stdout.write(jsontext.dumps(tree) + "\n")


def report(found: check.Report) -> int:
    for problem in found.problems:
        print(problem)
    if found.problems:
        return 1
    print(f"{found.rows} rows in {found.shards} shards: ok")
    return 0


if __name__ == "__main__":
    # Text may hold any code point, whatever the terminal's locale; and no translation of line ends.
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        sys.exit(main(sys.argv[1:]))
    except (Refused, sqlite3.DatabaseError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except (OSError, KeyError, TypeError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
