"""A vector file in the making: unique ids, and agreement between the author of a case and the reference."""

import vectors


class Table:
    def __init__(self, kind: str, comment: str) -> None:
        self.kind = kind
        self.comment = comment
        self.cases: list[dict] = []
        self._ids: set[str] = set()

    def add(self, id_: str, comment: str, members: dict) -> None:
        if id_ in self._ids:
            raise ValueError(f"{self.kind}: two cases are called {id_}")
        self._ids.add(id_)
        self.cases.append({"id": id_, "comment": comment, **members})

    def answer(self, id_: str, members: dict, error: str | None) -> dict:
        """What the reference says; `error` is what the author says."""
        found = vectors.answer(self.kind, members)
        if found.get("error") != error:
            raise ValueError(f"{self.kind}/{id_}: reference says {str(found)[:200]}, the case says {error or 'valid'}")
        return found

    def judged(self, id_: str, comment: str, members: dict, error: str | None = None) -> None:
        """A case that is marked valid, with the reference's answer, or invalid, with the error."""
        found = self.answer(id_, members, error)
        self.add(id_, comment, members | ({"valid": False} if error else {"valid": True}) | found)
