"""Who the user of a socket is; source: Channels 1.1.8.

A socket is opened with the cookies of its page, so the user is known from the HTTP session, but
in ``websocket.connect`` only. :func:`channel_session_user_from_http` keeps it for later
messages, which :func:`channel_session_user` reads. Each message looks the user up anew, so a user
who was deleted, deactivated or has changed the password is anonymous from the next message on.
A changed password takes the user out of the channel session, and leaves the rest of it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase

from channels_workers.decorators import ConsumerDecorator
from channels_workers.message import Consumer, Message
from channels_workers.sessions import channel_and_http_session, channel_session, http_session

__all__ = [
    "channel_and_http_session_user_from_http",
    "channel_session_user",
    "channel_session_user_from_http",
    "http_session_user",
    "transfer_user",
]

USER_KEYS = (auth.BACKEND_SESSION_KEY, auth.SESSION_KEY, auth.HASH_SESSION_KEY)


def transfer_user(from_session: SessionBase, to_session: SessionBase) -> None:
    """Copy the logged-in user, if any, from one session to another."""
    if all(key in from_session for key in USER_KEYS):
        for key in USER_KEYS:
            to_session[key] = from_session[key]


class _BrowserSession:
    """The session of a browser as get_user() sees it: it stays as it is.

    A new key needs a new cookie, which a consumer cannot set, and a session whose user is not
    valid any more is ended as a whole: the next page does both.
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
    """A channel session as get_user() sees it: it keeps its key, and all but the user."""

    def __setitem__(self, key: str, value: Any) -> None:
        self.session[key] = value

    def flush(self) -> None:
        for key in USER_KEYS:
            self.session.pop(key, None)


def _set_user(message: Message, session: _BrowserSession | None) -> None:
    # Imported here: models cannot be before the apps are ready, and consumers are.
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

    # get_user() reads nothing of a request but its session.
    request = SimpleNamespace(session=session)
    message.user = AnonymousUser() if session is None else auth.get_user(request)  # type: ignore[arg-type]


def _set_user_of_channel(message: Message) -> None:
    _set_user(message, _ConnectionSession(message.channel_session))


def _set_user_of_browser(message: Message) -> None:
    session = message.http_session
    _set_user(message, None if session is None else _BrowserSession(session))


def _transfer(message: Message) -> None:
    if message.http_session is not None and message.user.is_authenticated:
        transfer_user(message.http_session, message.channel_session)


_with_user_of_channel = ConsumerDecorator("channel_session_user", _set_user_of_channel)
_with_user_of_browser = ConsumerDecorator("http_session_user", _set_user_of_browser)
_with_transfer = ConsumerDecorator("channel_session_user_from_http", _transfer)


def channel_session_user(func: Consumer) -> Consumer:
    """Give the consumer ``message.channel_session``, and in ``message.user`` the user kept there.

    Without one it is an ``AnonymousUser``.
    """
    return channel_session(_with_user_of_channel(func))


def http_session_user(func: Consumer) -> Consumer:
    """Give the consumer ``message.http_session``, and in ``message.user`` the user logged in.

    Without a session, which is None then, it is an ``AnonymousUser``. For
    ``websocket.connect``: see :func:`~channels_workers.sessions.http_session`.
    """
    return http_session(_with_user_of_browser(func))


def channel_session_user_from_http(func: Consumer) -> Consumer:
    """Keep the user of the HTTP session in the channel session: for ``websocket.connect``.

    The consumer gets ``message.user``, ``message.http_session`` and
    ``message.channel_session``; those of later messages take :func:`channel_session_user`.
    """
    return http_session_user(channel_session(_with_transfer(func)))


def channel_and_http_session_user_from_http(func: Consumer) -> Consumer:
    """Do the same as :func:`channel_session_user_from_http`, and keep the HTTP session too.

    See :func:`~channels_workers.sessions.channel_and_http_session`.
    """
    return http_session_user(channel_and_http_session(_with_transfer(func)))
