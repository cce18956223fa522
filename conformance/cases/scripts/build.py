"""A script in the making. Each operation may state its result; what the author did not state, the reference fills in."""

import tempfile
from pathlib import Path

import jsontext
import script as runner

CLOCK = 1_767_323_045_678_901
UNSTATED = object()


class Script:
    def __init__(self, clock: int = CLOCK, options: dict | None = None) -> None:
        self.clock = clock
        self.options = options
        self.operations: list[dict] = []
        self.stated: list[object] = []

    def do(self, op: str, /, gives: object = UNSTATED, **members: object) -> None:
        """One operation. `if_` stands for the member `if`."""
        named = {"if" if name == "if_" else name: content for name, content in members.items()}
        self.operations.append({"op": op, **named})
        self.stated.append(gives)

    def set(self, key: object, value: object, gives: object = UNSTATED, **members: object) -> None:
        self.do("set", gives, key=key, value=value, **members)

    def get(self, key: object, *value: object) -> None:
        """Expects the given value, or a miss if there is none."""
        self.do("get", {"value": value[0]} if value else None, key=key)

    def finish(self, id_: str, comment: str) -> dict:
        options = {"options": self.options} if self.options else {}
        result = {"id": id_, "comment": comment, "clock": self.clock} | options | {"operations": self.operations}
        with tempfile.TemporaryDirectory() as directory:
            found = list(runner.run(result, Path(directory)))
        for number, (operation, stated, given) in enumerate(zip(self.operations, self.stated, found, strict=True)):
            # As text: 1 and 1.0 are equal in Python, and so are 0.0 and -0.0.
            if stated is not UNSTATED and jsontext.dumps(stated) != jsontext.dumps(given):
                raise ValueError(f"{id_}, operation {number} {operation}: reference gives {given}, the script states {stated}")
        return result | {"results": found}


def error(kind: str) -> dict:
    return {"error": kind}
