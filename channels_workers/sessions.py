"""Decorators that give consumers the sessions of their socket, as in Channels 1.1.8."""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError

from channels_workers.decorators import ConsumerDecorator, never
from channels_workers.message import Consumer, Message
from channels_workers.session_stores import (
    ChannelSession,
    browser_session,
    browser_session_key,
    carries_session,
    channel_session_store,
    session_for_message,
    session_for_reply_channel,
)
from channels_workers.transient import is_put_off

__all__ = [
    "channel_and_http_session",
    "channel_session",
    "enforce_ordering",
    "http_session",
    "session_for_reply_channel",
]


def _prepare_channel_session(message: Message) -> None:
    if hasattr(message, "channel_session"):
        return
    if message.reply_channel is None:
        raise ValueError(
            "No reply_channel sent to consumer; @channel_session can only be used on messages "
            "containing it."
        )
    message.channel_session = session_for_message(message, message.reply_channel.name)


def _finish_channel_session(message: Message, error: BaseException | None) -> None:
    session = message.channel_session
    if not session.modified or is_put_off(error):
        return
    if isinstance(session, ChannelSession):
        session.save()
    elif not session.is_empty():
        session.save()
        session.modified = False


def _channel_session_blocks(message: Message) -> bool:
    return channel_session_store() is not None or not carries_session(message)


_with_channel_session = ConsumerDecorator(
    "channel_session", _prepare_channel_session, _finish_channel_session, _channel_session_blocks
)


def channel_session(func: Consumer) -> Consumer:
    """Give the consumer ``message.channel_session``, saved after it has returned or raised.

    It works like ``request.session``. It begins empty with the connection and ends after
    ``websocket.disconnect``. Values are those of a message: None, bool, int of 64 bits, float,
    str, bytes, and lists and dicts of them. Encoded, all of them have at most ``message_size``
    bytes. If it cannot be saved, the error is logged, and a handshake is refused. After a change
    inside a value, set ``message.channel_session.modified = True``.

    The message's commit saves it, together with what the consumer sent. A run that will be
    repeated, as after :class:`~channels_workers.exceptions.ConsumeLater`, saves nothing. With the
    setting ``CHANNEL_SESSION_ENGINE`` the session is one of that engine of Django, and is saved
    outside of the commit.

    A call raises ``ValueError`` without a message, and for a message without a ``reply_channel``.
    """
    return _with_channel_session(func)


def _check_order(message: Message) -> None:
    if "order" not in message:
        raise ValueError(
            "No `order` value in message; @enforce_ordering can only be used on messages "
            "containing it."
        )


_with_order = ConsumerDecorator("enforce_ordering", _check_order, blocks=never)


def enforce_ordering(func: Consumer | None = None, slight: bool = False) -> Consumer:
    """Give the consumer ``message.channel_session``. The order is always kept.

    Write it with or without brackets. ``slight=True`` raises ``ValueError``. So does a call with
    a message that has no ``order``, which every interface server sets.
    """
    if slight:
        raise ValueError(
            "Slight ordering is now always on due to Channels changes. Please remove the decorator."
        )
    return enforce_ordering if func is None else channel_session(_with_order(func))


def _prepare_http_session(message: Message) -> None:
    if not hasattr(message, "http_session"):
        key = browser_session_key(message)
        message.http_session = browser_session(key) if key else None


def _finish_http_session(message: Message, error: BaseException | None) -> None:
    session = message.http_session
    if session is None or not session.modified or error is not None:
        return
    # To save one that a logout has ended, or that never was, would make a new one, which no
    # browser has the cookie of.
    if session.session_key and session.exists(session.session_key):
        with suppress(UpdateError):  # it ends just now
            session.save()
    session.modified = False


_with_http_session = ConsumerDecorator("http_session", _prepare_http_session, _finish_http_session)


def http_session(func: Consumer) -> Consumer:
    """Give the consumer ``message.http_session``, like ``request.session`` of a view, or None.

    Use it for ``websocket.connect`` and ``http.request``: only they have the key. It is in
    ``?session_key=`` or in the cookie ``SESSION_COOKIE_NAME``. None means that there is no key, or
    an invalid one. The session is one of ``SESSION_ENGINE``. It is read from there when you first
    use it.

    A changed session is saved after the consumer has returned, outside of the message's commit.
    It is not saved if the consumer raised, or if the session has ended meanwhile. A consumer
    cannot start a session or set a cookie; views can.

    A call raises ``ValueError`` for a message without a path.
    """
    return _with_http_session(func)


def _keep_http_session(message: Message) -> None:
    name = settings.SESSION_COOKIE_NAME
    if message.http_session is not None and name not in message.channel_session:
        message.channel_session[name] = message.http_session.session_key
    elif message.http_session is None and name in message.channel_session:
        message.http_session = browser_session(message.channel_session[name])


_with_http_session_kept = ConsumerDecorator("channel_and_http_session", _keep_http_session)


def channel_and_http_session(func: Consumer) -> Consumer:
    """Give the consumer ``message.channel_session`` and ``message.http_session``.

    The channel session keeps the key of the HTTP session under ``SESSION_COOKIE_NAME``, so that
    later messages of the connection have both. Values and errors are those of
    :func:`channel_session` and :func:`http_session`.
    """
    return http_session(channel_session(_with_http_session_kept(func)))
