"""The session of one connection; source: Channels 1.1.8."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import (
    Session,
)
from channels_workers.message import Message


class ChannelSession(SessionBase):
    """A dict kept for a connection, saved in the same step that finishes a message.

    It has Django's session interface. As with Django's sessions, a change inside a value
    (``session["seen"].append(1)``) needs ``session.modified = True``. Values are what a
    message may hold: see :meth:`channels_workers.layers.codec.Codec.encode`.
    """

    def __init__(self, layer: WorkerLayer, reply_channel: str, payload: bytes | None) -> None:
        super().__init__(reply_channel)
        self._layer = layer
        self._reply_channel = reply_channel
        self._payload = payload
        self.saves_at_once = False

    def load(self) -> dict[str, Any]:
        """Return the saved values."""
        return self._layer.codec.decode(self._payload) if self._payload else {}

    def save(self, must_create: bool = False) -> None:
        """Have the session saved with the message's commit, at once outside a delivery."""
        self.modified = True
        if self.saves_at_once:
            self._layer.save_session(self.encoded())

    def encoded(self) -> Session:
        """Return the session to be saved; MessageError if a value cannot be encoded."""
        values = self._get_session()  # type: ignore[attr-defined]
        return Session(self._reply_channel, self._layer.encode(dict(values)))

    def exists(self, session_key: str | None = None) -> bool:
        """Return True: a connection has one session, from its first message on."""
        return True

    def create(self) -> None:
        """Begin with an empty session."""
        self.clear()

    def delete(self, session_key: str | None = None) -> None:
        """Forget all values."""
        self.clear()

    def cycle_key(self) -> None:
        """Do nothing: the key is the connection."""


def channel_session(func: Callable[..., Any]) -> Callable[..., Any]:
    """Give the consumer ``message.channel_session``, saved when it returns, or raises.

    Works on ``def`` and ``async def`` consumers and on methods (``self, message``).
    """
    if iscoroutinefunction(func):

        @functools.wraps(func)
        async def inner_async(*args: Any, **kwargs: Any) -> Any:
            message = _prepare(args)
            try:
                return await func(*args, **kwargs)
            finally:
                _finish(message)

        return inner_async

    @functools.wraps(func)
    def inner(*args: Any, **kwargs: Any) -> Any:
        message = _prepare(args)
        try:
            return func(*args, **kwargs)
        finally:
            _finish(message)

    return inner


def _prepare(args: tuple[Any, ...]) -> Message:
    message = next((item for item in args[:2] if isinstance(item, Message)), None)
    if message is None:
        raise ValueError("channel_session called without Message instance")
    if hasattr(message, "channel_session"):
        return message
    if message.reply_channel is None:
        raise ValueError(
            "No reply_channel sent to consumer; @channel_session can only be used on messages "
            "containing it."
        )
    message.channel_session = session_for_message(message, message.reply_channel.name)
    return message


def session_for_message(message: Message, reply_channel: str) -> ChannelSession:
    """Return the session of *reply_channel*, which a delivery of its connection carries."""
    layer, delivery = message.channel_layer, message.delivery
    if delivery is not None and delivery.reply_channel == reply_channel:
        return ChannelSession(layer, reply_channel, delivery.session)
    session = ChannelSession(layer, reply_channel, layer.load_session(reply_channel))
    session.saves_at_once = delivery is None
    return session


def _finish(message: Message) -> None:
    session = message.channel_session
    if isinstance(session, ChannelSession) and session.saves_at_once and session.modified:
        session.save()
