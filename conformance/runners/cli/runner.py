"""The runner of the conformance suite for the command line: `script`, `dump` and `serve` (PROTOCOL.md).

LITESTASH_BIN names the program, which must be built with the feature `conformance`: its clock is that of the script.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))

from serve import serve  # noqa: E402

USAGE = "usage: runner.py script FILE DIR | dump DIR [KEY] | serve"

# Exit codes of the program: all went well; some operations were refused.
DONE, REFUSED = 0, 3

# The limits of a script as flags of the program.
LIMITS = {"bytes": "--max-bytes", "rows": "--max-rows", "eviction": "--eviction"}


def main(arguments: list[str]) -> int:
    match arguments:
        case ["script", file, directory]:
            with open(file, encoding="utf-8") as text:
                script = json.load(text)
            # Python keeps integers of any size and floats apart, and writes both so that they read back the same.
            lines = "".join(json.dumps(operation) + "\n" for operation in script["operations"])
            given = dict(script.get("options", {}))
            ended = litestash(script["clock"], ["--dir", directory, *flags(given), "apply"], lines, given)
            return 0 if ended.returncode in (DONE, REFUSED) else 1
        case ["dump", directory, *key] if len(key) <= 1:
            options = {"encryption_key": key[0]} if key else None
            ended = litestash(0, ["--dir", directory, "--read-only", "export", "-"], "", options)
            nothing_there = "error[NoStash]" in ended.stderr
            return 0 if ended.returncode == DONE or nothing_there else 1
        case ["serve"]:
            return serve(main)
        case _:
            print(USAGE, file=sys.stderr)
            return 2


def flags(options: dict) -> list[str]:
    """Those options of a script that the program has too, taken out."""
    found = []
    if "default_ttl_us" in options:
        found += ["--default-ttl", f"{options.pop('default_ttl_us')}us"]
    for name, limit in options.pop("limits", {}).items():
        found += [LIMITS[name], str(limit).replace("_", "-")]
    return found


def litestash(clock: int, arguments: list[str], lines: str, options: dict | None = None) -> subprocess.CompletedProcess:
    """One process for all lines; its standard output is this program's."""
    surroundings = os.environ | {"LITESTASH_CONFORMANCE_CLOCK": str(clock)}
    if options:
        surroundings["LITESTASH_CONFORMANCE_OPTIONS"] = json.dumps(options)
    ended = subprocess.run(
        [os.environ["LITESTASH_BIN"], *arguments],
        input=lines,
        stderr=subprocess.PIPE,
        env=surroundings,
        encoding="utf-8",
        check=False,
    )
    sys.stderr.write(ended.stderr)
    return ended


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, KeyError, TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
