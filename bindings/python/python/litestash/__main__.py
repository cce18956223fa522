"""`python -m litestash import --from KIND PATH --to DIRECTORY`."""

from __future__ import annotations

import sys

from .importers.__main__ import main

if __name__ == "__main__":
    if sys.argv[1:2] != ["import"]:
        print("usage: python -m litestash import --from KIND PATH --to DIRECTORY", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[2:]))
