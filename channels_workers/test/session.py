"""The browser session of a test client, which its connection shares."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from channels_workers.session_stores import browser_session


class ClientSession(SessionBase):
    """A session of ``SESSION_ENGINE``; saving it puts its values into the channel session too.

    In Channels 1.1.8 both were the same, and tests rely on either. :func:`client_session` mixes
    this class into that of the engine.
    """

    #: Returns the channel session, as it is now.
    channel_session: Callable[[], SessionBase]

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._shared: set[str] = set()

    def load(self) -> dict[str, Any]:
        """Return the saved values; keep the key, which may be in a cookie already."""
        # Django forgets the key of a session for which nothing is stored. Here that is another one.
        return dict(browser_session(self.session_key or "").items())

    def save(self, must_create: bool = False) -> None:
        """Save the values in both sessions."""
        key = self.session_key
        super().save(must_create or (key is not None and not self.exists(key)))
        self._share()

    def flush(self) -> None:
        """Empty both sessions; this one has no key then."""
        super().flush()
        session = self.channel_session()
        session.clear()
        session.save()
        self._shared = set()

    def share_again(self) -> None:
        """Put the saved values into the channel session of a new connection."""
        if self._shared:
            self._share()

    def _share(self) -> None:
        values = dict(self.items())
        session = self.channel_session()
        for key in self._shared.difference(values):
            session.pop(key, None)
        session.update(values)
        session.save()
        self._shared = set(values)


def client_session(channel_session: Callable[[], SessionBase]) -> ClientSession:
    """Return a new session with a key; nothing is read or written yet."""
    key = secrets.token_hex(16)
    engine = type(browser_session(key))
    # Django uses the name of the class as the salt of its signature, so this one has the engine's.
    session = type(engine.__qualname__, (ClientSession, engine), {})(key)
    session.channel_session = channel_session
    return session  # type: ignore[no-any-return]
