"""Class-based consumers of Channels 4 in the groups of function consumers.

A function consumer sends ``{"text": ...}``, ``{"bytes": ...}`` or ``{"close": ...}``, without a
type, to a reply channel or a group. If a class-based consumer reads such a message, the layer
gives it the type ``websocket.send``, which these mixins handle. Without one, the consumer
raises "No handler for message type websocket.send" and loses its socket. ::

    class ChatConsumer(WorkerMessagesMixin, WebsocketConsumer):
        groups = ["chat-lobby"]
"""

from __future__ import annotations

import logging
from typing import NamedTuple, Protocol

from channels_workers.bad_replies import problem_of
from channels_workers.interface.actions import ClientActions
from channels_workers.interface.replies import close_code, sends_of
from channels_workers.layers.codec import Content
from channels_workers.logs import fields

__all__ = ["AsyncWorkerMessagesMixin", "WorkerMessagesMixin"]

logger = logging.getLogger(__name__)


class WorkerMessagesMixin:
    """Lets a sync consumer (``WebsocketConsumer``) send what workers send to its socket.

    Put it in front of the consumer class of Channels 4.
    """

    #: Whether a message has closed the socket. Later messages to it are dropped.
    closed_by_message = False

    def websocket_send(self: _Consumer, event: Content) -> None:
        """Send the text or the bytes, then close if ``close`` is True (1000) or a code."""
        if self.closed_by_message:
            return
        reply = _read(event)
        for frame in reply.sends:
            self.send(frame.event.get("text"), frame.event.get("bytes"))
        if reply.close_code is not None:
            self.closed_by_message = True
            self.close(reply.close_code)


class AsyncWorkerMessagesMixin:
    """Lets an async consumer (``AsyncWebsocketConsumer``) send what workers send to its socket.

    Put it in front of the consumer class of Channels 4.
    """

    #: Whether a message has closed the socket. Later messages to it are dropped.
    closed_by_message = False

    async def websocket_send(self: _AsyncConsumer, event: Content) -> None:
        """Send the text or the bytes, then close if ``close`` is True (1000) or a code."""
        if self.closed_by_message:
            return
        reply = _read(event)
        for frame in reply.sends:
            await self.send(frame.event.get("text"), frame.event.get("bytes"))
        if reply.close_code is not None:
            self.closed_by_message = True
            await self.close(reply.close_code)


class _Consumer(Protocol):
    """What the mixin uses of ``WebsocketConsumer``."""

    closed_by_message: bool

    def send(self, text_data: str | None, bytes_data: bytes | None) -> None: ...

    def close(self, code: int) -> None: ...


class _AsyncConsumer(Protocol):
    """What the mixin uses of ``AsyncWebsocketConsumer``."""

    closed_by_message: bool

    async def send(self, text_data: str | None, bytes_data: bytes | None) -> None: ...

    async def close(self, code: int) -> None: ...


class _Reply(NamedTuple):
    """The content of a message: frames to send, then a code to close with, or None."""

    sends: ClientActions
    close_code: int | None


def _read(content: Content) -> _Reply:
    if problem := problem_of(content):
        logger.error(
            "A message to this socket cannot go out as it is. It %s",
            problem,
            extra=fields("bad_reply"),
        )
    close = content.get("close")
    return _Reply(sends_of(content), close_code(close) if close else None)
