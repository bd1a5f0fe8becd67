"""Sessions in Redis with the client of asgi-redis, because Django 2.2 has no such engine."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase
from redis import StrictRedis

from labs.benchmarks.rooms.common import given

store: Any = StrictRedis.from_url(given["redis"])


class SessionStore(SessionBase):
    """One session, with its own key."""

    def exists(self, session_key: str) -> bool:
        """Return whether it was ever saved."""
        return bool(store.exists(f"session:{session_key}"))

    def create(self) -> None:
        """Save it under a new key."""
        self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Save it. CreateError if it exists although it *must_create*."""
        content = self.encode(self._get_session(no_load=must_create))  # type: ignore[attr-defined]
        key = f"session:{self.session_key}"
        if not store.set(key, content, ex=settings.SESSION_COOKIE_AGE, nx=must_create):
            raise CreateError

    def delete(self, session_key: str | None = None) -> None:
        """Delete it, or the session with this key."""
        store.delete(f"session:{session_key or self.session_key}")

    def load(self) -> dict[str, Any]:
        """Return what was saved."""
        content = store.get(f"session:{self.session_key}")
        return {} if content is None else self.decode(content.decode())

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing. Redis expires sessions."""
