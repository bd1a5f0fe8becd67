"""The sockets of an interface server."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from channels_workers.exceptions import LayerUnavailable, MessageTooLarge, ServerGone
from channels_workers.futures import settle
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.operations import (
    Held,
    Published,
    UnderWay,
)
from channels_workers.logs import fields
from channels_workers.outgoing import SendEvent, outgoing_for
from channels_workers.protocol import (
    ABNORMAL,
    CONNECTION_LOST,
    FRAME_TOO_LARGE,
    GOING_AWAY,
    READS_TOO_SLOWLY,
    SERVER_STOPS,
    Close,
    Connection,
    Event,
    Publish,
    disconnect_content,
    shown,
)

logger = logging.getLogger(__name__)


class Sockets:
    """The sockets of one server: each is ``known`` until the layer knows of its end."""

    def __init__(self) -> None:
        self.known: set[Socket] = set()
        self.left_frames = 0  # of clients that have left, waiting for workers


class Socket:
    """One connection at work: asyncio and the layer around the pure :class:`Connection`."""

    def __init__(
        self, layer: WorkerLayer, sockets: Sockets, connection: Connection, send: SendEvent
    ) -> None:
        self.layer = layer
        self.sockets = sockets
        self.connection = connection
        self.reply_channel = ""
        self.broken = False
        self.left_frames = 0  # waiting for workers since the client has left
        self._is_publishing = False
        self._published_next: asyncio.Future[None] | None = None  # while somebody waits for it
        self._closing: asyncio.Task[None] | None = None
        self.task: asyncio.Task[Any] | None = None  # that serves it
        self.outgoing = outgoing_for(send, connection.limits, self._overflow)
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Publish the handshake."""
        loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.reply_channel = self.connection.name = await self.layer.attach(self)
        self.sockets.known.add(self)
        limit = self.connection.limits.HANDSHAKE_TIMEOUT
        self._timer = loop.call_later(limit, lambda: self._emit(self.connection.time_out()))
        self._step()

    # From the client

    def receive(self, event: Event) -> None:
        """Take a frame."""
        self._emit(self.connection.receive(event))
        self._step()

    def end(self, code: int | None) -> None:
        """Note that the client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        if self.connection.end_code is None:
            self._leave_frames(code)
        self.outgoing.clear()
        if self.reply_channel:
            self.layer.leave_groups(self.reply_channel)
        self._step()

    def _leave_frames(self, code: int | None) -> None:
        self.connection.end(code)
        left = self.connection.waiting
        if self.sockets.left_frames + left > self.connection.limits.LEFT_FRAMES_WAITING:
            logger.error(
                "%d frames of %s are dropped: too many of clients that have left wait for workers",
                left,
                shown(self.connection.path),
                extra=self._fields("frames_dropped"),
            )
            self.connection.abandon(ABNORMAL)
            left = 0
        self.left_frames = left
        self.sockets.left_frames += left

    def dismiss(self, reason: str) -> None:
        """Close the socket, as the server will stop; what it sent before still goes to workers."""
        self._emit(self.connection.close(SERVER_STOPS, reason))
        self._leave_frames(SERVER_STOPS)
        self.layer.leave_groups(self.reply_channel)
        self._step()

    def stop(self) -> None:
        """Close the socket, as the server stops; what it sent and no worker has is lost."""
        if self._timer is not None:
            self._timer.cancel()
        self._give_up(SERVER_STOPS)
        self.layer.leave_groups(self.reply_channel)

    def abandon(self) -> None:
        """End the socket, as the server stops; what it sent and no worker has is lost."""
        self.connection.abandon(GOING_AWAY)
        self.end(GOING_AWAY)

    # From the layer

    def deliver(self, content: Content) -> None:
        """Take a message to the reply channel, or to a group that it is in."""
        self._emit(self.connection.reply(content))

    def release(self, order: int) -> None:
        """Note that a worker has finished the message *order*."""
        self._emit(self.connection.release(order))
        self._step()

    def lose(self) -> None:
        """Close the socket: the layer does not know it any more."""
        self.connection.finished = True
        self._emit(self.connection.close(CONNECTION_LOST))
        self.connection.abandon(CONNECTION_LOST)
        self._forget()

    def held(self) -> Held | None:
        """Return what a layer that has lost its data is to know of this connection."""
        connection, encode = self.connection, self.layer.encode
        if connection.order < 0:
            return None
        step = connection.under_way
        last = encode(disconnect_content(connection.path))
        under_way = UnderWay(step.channel, encode(step.content)) if step else None
        return Held(connection.order, last, under_way)

    # To the layer

    def _step(self) -> None:
        step = self.connection.next_step()
        if self.left_frames:
            self.sockets.left_frames += self.connection.waiting - self.left_frames
            self.left_frames = self.connection.waiting
        if isinstance(step, Publish):
            self._publish(step)
        elif step is not None:
            self._closing = asyncio.get_running_loop().create_task(self._close(step))

    def under_way(self) -> list[asyncio.Future[None]]:
        """Return what is to be waited for until the layer has all that it was told."""
        waits: list[asyncio.Future[None]] = [self._closing] if self._closing else []
        if self._is_publishing:
            if self._published_next is None:
                self._published_next = asyncio.get_running_loop().create_future()
            waits.append(self._published_next)
        return waits

    def _publish(self, step: Publish) -> None:
        encode = self.layer.encode
        try:
            last = b"" if step.order else encode(disconnect_content(self.connection.path))
            message = (step.channel, self.reply_channel, step.order, encode(step.content), last)
        except Exception as error:  # noqa: BLE001  (it is looked at)
            self.connection.withdraw()
            self._fail(step, error)
            return
        self._is_publishing = True
        try:
            self.layer.start_publish(*message, partial(self._published, step))
        except LayerUnavailable as error:
            self._published(step, error)

    def _published(self, step: Publish, published: Published | Exception) -> None:
        self._is_publishing = False
        if self._published_next is not None:
            settle(self._published_next, None)
            self._published_next = None
        if isinstance(published, Exception):
            self._fail(step, published)
        elif published is Published.GONE:
            self.lose()

    def _fail(self, step: Publish, error: Exception) -> None:
        path = shown(self.connection.path)
        if isinstance(error, MessageTooLarge):
            extra = self._fields("socket_closed", FRAME_TOO_LARGE)
            logger.warning("Closing %s: %s", path, error, extra=extra)
            self._give_up(FRAME_TOO_LARGE)
        elif isinstance(error, ServerGone):
            self.lose()
        else:
            text, extra = "Publishing order %d of %s failed", self._fields("publish_failed")
            logger.error(text, step.order, path, exc_info=error, extra=extra)
            self._give_up(CONNECTION_LOST)

    def _give_up(self, code: int) -> None:
        self._emit(self.connection.close(code))
        self.connection.abandon(code)
        self._step()

    async def _close(self, step: Close) -> None:
        try:
            await self.layer.close(self.reply_channel, step.code)
        except LayerUnavailable as error:  # the link ended: the server stops, or is lost
            text, extra = "The end of %s is not told: %s", self._fields("end_not_told")
            logger.info(text, shown(self.connection.path), error, extra=extra)
        except Exception:
            text, extra = "Telling the end of %s failed", self._fields("end_not_told")
            logger.exception(text, shown(self.connection.path), extra=extra)
        finally:
            self._forget()

    def _forget(self) -> None:
        self.sockets.left_frames -= self.left_frames
        self.left_frames = 0
        self.layer.detach(self.reply_channel)
        self.sockets.known.discard(self)

    def _fields(self, event: str, code: int | None = None) -> dict[str, str | int]:
        path = shown(self.connection.path)
        return fields(event, code=code, connection=self.reply_channel, path=path)

    # To the client

    def _emit(self, events: list[Event]) -> None:
        for event in events:
            self.outgoing.put(event)

    def _overflow(self) -> None:
        # A close frame would wait behind what the client does not read: cut the line.
        if self.broken:
            return
        extra = self._fields("socket_closed", READS_TOO_SLOWLY)
        path = shown(self.connection.path)
        logger.warning("Closing %s: its client reads too slowly", path, extra=extra)
        self.broken = True
        self._leave_frames(READS_TOO_SLOWLY)
        self.outgoing.cut()
        if self.task is not None:
            self.task.cancel()
