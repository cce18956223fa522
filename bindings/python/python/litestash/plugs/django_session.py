"""Django's sessions.

    SESSION_ENGINE = "litestash.plugs.django_session"
    LITESTASH_SESSIONS = {"LOCATION": "/var/lib/site/sessions", "OPTIONS": {"durability": "full"}}

The content is encoded by Django's own serializer and signed, as in its database engine.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError

from .._stash import LiteStash
from ._shared import shared

_PREFIX = "session:"


class SessionStore(SessionBase):
    """One session."""

    @classmethod
    def stash(cls) -> LiteStash:
        """The stash of all sessions."""
        configured = settings.LITESTASH_SESSIONS
        return shared(configured["LOCATION"], dict(configured.get("OPTIONS", {})))

    def exists(self, session_key: str | None) -> bool:
        return bool(session_key) and _PREFIX + str(session_key) in self.stash()

    def create(self) -> None:
        while True:
            self._session_key = self._get_new_session_key()
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            self.create()
            return
        key, data = _PREFIX + self.session_key, self.encode(self._get_session(no_load=must_create))
        ttl = self.get_expiry_age()
        # One that has ended already is stored nowhere.
        if must_create:
            if not (self.stash().add(key, data, ttl=ttl) if ttl > 0 else key not in self.stash()):
                raise CreateError
        elif not (self.stash().replace(key, data, ttl=ttl) if ttl > 0 else self.stash().delete(key)):
            raise UpdateError

    def load(self) -> dict[str, Any]:
        data = None if self.session_key is None else self.stash().get(_PREFIX + self.session_key)
        if data is None:
            self._session_key = None
            return {}
        decoded: dict[str, Any] = self.decode(data)
        return decoded

    def delete(self, session_key: str | None = None) -> None:
        key = self.session_key if session_key is None else session_key
        if key is not None:
            self.stash().delete(_PREFIX + key)

    @classmethod
    def clear_expired(cls) -> None:
        cls.stash().sweep()
