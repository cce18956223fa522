"""Sessions of Starlette and FastAPI that stay on the server: the cookie has a random number and nothing else.

    app.add_middleware(StashSessions, stash=stash, max_age=3600)

`request.session` is a dict of what a stash holds. It is written when it changed and removed when it is empty.
"""

from __future__ import annotations

import secrets
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import AsyncLiteStash, LiteStash

_PREFIX = "session:"


class StashSessions:
    """The middleware. `max_age` is in seconds after the last change; `secure` keeps the cookie to https."""

    def __init__(
        self,
        app: ASGIApp,
        stash: LiteStash,
        cookie: str = "session",
        max_age: int = 14 * 24 * 3600,
        path: str = "/",
        same_site: str = "lax",
        secure: bool = False,
    ) -> None:
        self.app = app
        self._stash = AsyncLiteStash.over(stash)
        self._cookie = cookie
        self._max_age = max_age
        self._flags = f"path={path}; httponly; samesite={same_site}" + ("; secure" if secure else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        token = HTTPConnection(scope).cookies.get(self._cookie)
        stored: dict[str, Any] | None = None
        if token is not None:
            stored = await self._stash.get(_PREFIX + token)
        # Another object each time, so that it can be compared with what was stored.
        session: dict[str, Any] = {} if stored is None else await self._stash.get(_PREFIX + str(token), {})
        scope["session"] = session

        async def answer(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                cookie = await self._kept(token, stored, session)
                if cookie is not None:
                    MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self.app(scope, receive, answer)

    async def _kept(self, token: str | None, stored: dict[str, Any] | None, session: dict[str, Any]) -> str | None:
        """The cookie to send, if another one."""
        if session == (stored or {}):
            return None
        if not session:
            await self._stash.delete(_PREFIX + str(token))
            return f"{self._cookie}=; max-age=0; {self._flags}"
        if stored is None:
            # A number that a client made up is never taken over.
            token = secrets.token_urlsafe(32)
        await self._stash.set(_PREFIX + str(token), session, ttl=self._max_age)
        return f"{self._cookie}={token}; max-age={self._max_age}; {self._flags}"
