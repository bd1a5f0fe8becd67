"""The user of a socket. The API is that of Channels 1.1.8.

A browser opens a socket with the cookies of its page. So ``websocket.connect`` knows the user by
the HTTP session. :func:`channel_session_user_from_http` keeps the user for later messages, where
:func:`channel_session_user` loads it. Each message loads the user from the database: a user who was
deleted, deactivated or has a new password is anonymous from the next message on. A changed
password removes the user from the channel session, and nothing else.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase

from channels_workers.decorators import ConsumerDecorator
from channels_workers.exceptions import DenyConnection
from channels_workers.layers.types import DISCONNECT, RESUME
from channels_workers.message import Consumer, Message
from channels_workers.sessions import channel_and_http_session, channel_session, http_session

__all__ = [
    "channel_and_http_session_user_from_http",
    "channel_session_user",
    "channel_session_user_from_http",
    "http_session_user",
    "transfer_user",
]

#: The key of a channel session under which the expiry of the user's token is, a Unix time (s).
EXPIRES_KEY = "_channels_workers_expires"

USER_KEYS = (auth.BACKEND_SESSION_KEY, auth.SESSION_KEY, auth.HASH_SESSION_KEY)


def transfer_user(from_session: SessionBase, to_session: SessionBase) -> None:
    """Copy the logged-in user, if there is one, from an HTTP session to a channel session.

    The copy has the user's id, backend and password hash, under the keys that Django uses.
    """
    if all(key in from_session for key in USER_KEYS):
        for key in USER_KEYS:
            to_session[key] = from_session[key]


class _BrowserSession:
    """The session of a browser as get_user() sees it: read-only.

    A new key needs a new cookie, which a consumer cannot set. A session whose user is invalid has
    to end as a whole. The next page request does both.
    """

    def __init__(self, session: SessionBase) -> None:
        self.session = session

    def __getitem__(self, key: str) -> Any:
        return self.session[key]

    def __setitem__(self, key: str, value: Any) -> None:
        pass

    def get(self, key: str, default: Any = None) -> Any:
        return self.session.get(key, default)

    def cycle_key(self) -> None:
        pass

    def flush(self) -> None:
        pass


class _ConnectionSession(_BrowserSession):
    """A channel session as get_user() sees it: a flush removes the user alone."""

    def __setitem__(self, key: str, value: Any) -> None:
        self.session[key] = value

    def flush(self) -> None:
        for key in USER_KEYS:
            self.session.pop(key, None)


def user_of_browser(session: SessionBase) -> Any:
    """Return the user of the HTTP session *session*, which stays as it is; perhaps anonymous."""
    return _user_of(_BrowserSession(session))


def _user_of(session: _BrowserSession) -> Any:
    # get_user() reads nothing of a request but its session.
    return auth.get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]


def _set_user(message: Message, session: _BrowserSession | None) -> None:
    # Imported here: consumers are imported before the apps are ready, which models must not be.
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

    message.user = AnonymousUser() if session is None else _user_of(session)


def set_user_of_channel(message: Message) -> None:
    """Set ``message.user`` to the user in the channel session of *message*.

    Frames that run after the token of their user has expired are anonymous. A disconnect is not.
    """
    session = message.channel_session
    expires = session.get(EXPIRES_KEY)
    is_expired = expires is not None and expires <= time.time()
    if is_expired and message.channel_name != DISCONNECT:
        _set_user(message, None)
    else:
        _set_user(message, _ConnectionSession(session))


def _set_user_of_browser(message: Message) -> None:
    session = message.http_session
    _set_user(message, None if session is None else _BrowserSession(session))


def _transfer(message: Message) -> None:
    if message.channel_name == RESUME:
        _require_same_user(message)
    if message.http_session is not None and message.user.is_authenticated:
        transfer_user(message.http_session, message.channel_session)


def _require_same_user(message: Message) -> None:
    """Refuse to let another user go on with a connection."""
    kept = message.channel_session.get(auth.SESSION_KEY)
    session, is_somebody = message.http_session, message.user.is_authenticated
    if kept != (session[auth.SESSION_KEY] if session is not None and is_somebody else None):
        raise DenyConnection("it resumes a connection of another user")


_with_user_of_channel = ConsumerDecorator("channel_session_user", set_user_of_channel)
_with_user_of_browser = ConsumerDecorator("http_session_user", _set_user_of_browser)
_with_transfer = ConsumerDecorator("channel_session_user_from_http", _transfer)


def channel_session_user(func: Consumer) -> Consumer:
    """Give the consumer ``message.channel_session``, and the user kept there as ``message.user``.

    Without one, ``message.user`` is an ``AnonymousUser``. Each message reads the user from the
    database. Errors are those of :func:`~channels_workers.sessions.channel_session`.
    """
    return channel_session(_with_user_of_channel(func))


def http_session_user(func: Consumer) -> Consumer:
    """Give the consumer ``message.http_session``, and its user as ``message.user``.

    Without a session, ``message.http_session`` is None and the user an ``AnonymousUser``. Use it
    for ``websocket.connect`` and ``http.request``, like
    :func:`~channels_workers.sessions.http_session`, whose errors it raises.
    """
    return http_session(_with_user_of_browser(func))


def channel_session_user_from_http(func: Consumer) -> Consumer:
    """Keep the user of the HTTP session in the channel session.

    Use it for ``websocket.connect``. The consumer gets ``message.user``, ``message.http_session``
    and ``message.channel_session``. Use :func:`channel_session_user` for later messages. An
    anonymous user is not kept. On ``websocket.resume`` it refuses the socket of another user, which
    ends the connection. A call raises ``ValueError`` for a message that is no handshake.
    """
    return http_session_user(channel_session(_with_transfer(func)))


def channel_and_http_session_user_from_http(func: Consumer) -> Consumer:
    """Do the same as :func:`channel_session_user_from_http`, for all messages.

    The channel session keeps the key of the HTTP session: see
    :func:`~channels_workers.sessions.channel_and_http_session`.
    """
    return http_session_user(channel_and_http_session(_with_transfer(func)))
