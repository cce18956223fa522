"""Writes conformance/vectors/ and conformance/scripts/. With --check it writes nothing and fails if a file is stale."""

import sys

sys.dont_write_bytecode = True

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "reference"), str(HERE)]

from cases import crc, interchange, keys, records, scripts, sealed, values_invalid, values_valid
from cases.table import Table

import jsontext

VECTORS = [keys, values_valid, values_invalid, crc, records, sealed, interchange]


def vector_text(table: Table) -> str:
    """One case on a line, so that a change shows as that line."""
    cases = ",\n".join(jsontext.dumps(case) for case in table.cases)
    head = f'{{"format": 1, "kind": {json.dumps(table.kind)}, "comment": {json.dumps(table.comment)}, "cases": ['
    return f"{head}\n{cases}\n]}}\n"


def script_text(script: dict) -> str:
    """One operation and one result on a line."""
    members = [name for name in ("id", "comment", "clock", "options") if name in script]
    lines = [f'"{name}": {jsontext.dumps(script[name])},' for name in members]
    for name, comma in (("operations", ","), ("results", "")):
        rows = ",\n".join(jsontext.dumps(row) for row in script[name])
        lines.append(f'"{name}": [\n{rows}\n]{comma}')
    return "{\n" + "\n".join(lines) + "\n}\n"


def files() -> dict[Path, str]:
    result = {}
    for module in VECTORS:
        table = module.table()
        result[HERE / "vectors" / f"{table.kind}.json"] = vector_text(table)
    for script in scripts.all_scripts():
        result[HERE / "scripts" / f"{script['id']}.json"] = script_text(script)
    return result


def stale(wanted: dict[Path, str]) -> list[Path]:
    """Files that are missing, differ, or have no case any more."""
    present = {path for folder in ("vectors", "scripts") for path in (HERE / folder).glob("*.json")}
    differing = {path for path, text in wanted.items() if path not in present or path.read_bytes() != text.encode()}
    return sorted(differing | (present - wanted.keys()))


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: generate.py [--check]", file=sys.stderr)
        return 2
    wanted = files()
    changed = stale(wanted)
    for path in changed:
        name = path.relative_to(HERE).as_posix()
        if arguments:
            print(f"stale: {name}")
        elif path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(wanted[path].encode())
            print(f"wrote {name}")
        else:
            path.unlink()
            print(f"removed {name}")
    return 1 if arguments and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
