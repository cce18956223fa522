"""The one exception of the reference: a refusal with the error name that a runner prints."""


class Refused(Exception):
    """`kind` is an error name of PROTOCOL.md, `detail` is for people and never compared."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
