"""Jobs from standard input, one after the other (PROTOCOL.md, serve), for every runner in Python."""

import json
import sys
from collections.abc import Callable


def serve(main: Callable[[list[str]], int]) -> int:
    """Lets `main` do each; its status, if it could not."""
    for line in sys.stdin:
        if status := main(json.loads(line)):
            return status
        print(flush=True)
    return 0
