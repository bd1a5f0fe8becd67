"""The sockets of an interface server."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from channels_workers.concurrency.futures import settle
from channels_workers.exceptions import LayerUnavailable, MessageTooLarge, ServerEvicted
from channels_workers.interface.incoming import Intake, gate_for
from channels_workers.interface.outgoing import SendEvent, Unread, outgoing_for
from channels_workers.interface.protocol import (
    CONNECTION_LOST,
    FRAME_TOO_LARGE,
    GOING_AWAY,
    OPEN,
    READS_TOO_SLOWLY,
    SERVER_STOPS,
    TOO_MANY_FRAMES,
    Close,
    Connection,
    Event,
    Publish,
    disconnect_content,
    shown,
)
from channels_workers.interface.servers.gate import FRAGMENTS
from channels_workers.interface.servers.watch import Watch
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    ConnectionSnapshot,
    PendingMessage,
    Published,
)
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)


class Sockets:
    """The sockets of one server: each is ``known`` until the layer knows of its end."""

    def __init__(self) -> None:
        self.known: set[Socket] = set()
        self.left_frames = 0  # of clients that have left, waiting for workers
        self.left_bytes = 0  # the memory that they take
        self.kept = 0  # the memory of all frames that wait for workers or are under way
        self.episodes = Episodes()
        self.unread = Unread(self.episodes)
        self.watch = Watch()

    def make_room(self, limit: int) -> None:
        """Let those with most waiting frames lose them, until all have *limit* bytes at most."""
        while self.kept > limit:
            greediest = max(self.known, key=_ahead, default=None)
            if greediest is None or not greediest.connection.ahead:
                return
            greediest.lose_frames()


def _ahead(socket: Socket) -> int:
    return socket.connection.ahead


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
        self.left_bytes = 0  # the memory that they take
        self.kept = 0  # of what the sockets keep in all, the part that is counted as its own
        self._is_publishing = self._is_forgotten = False
        self._published_next: asyncio.Future[None] | None = None  # while somebody waits for it
        self._closing: asyncio.Task[None] | None = None
        self.task: asyncio.Task[Any] | None = None  # that serves it
        self.outgoing = outgoing_for(send, connection.limits, self._overflow, sockets.unread)
        gate = gate_for(send, connection.limits, self.outgoing.look, self._refuse_fragments)
        self.intake = Intake(gate, connection, sockets.watch, self._regulate)
        self._timer: asyncio.TimerHandle | None = None  # of the handshake
        self._left_timer: asyncio.TimerHandle | None = None

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
        if self.intake.drops(event):
            if self.intake.dropped_bytes > self.connection.limits.FRAME_BYTES_WAITING:
                self.outgoing.cut()  # or it would be read to the end of what anybody sends
        else:
            self._emit(self.connection.receive(event))
            self._count()
            self.sockets.make_room(self.connection.limits.ALL_FRAME_BYTES_WAITING)
            self._step()
            if self.connection.waiting:
                self.intake.count()
        self._regulate()

    def _count(self) -> None:
        kept = 0 if self._is_forgotten else self.connection.kept
        self.sockets.kept += kept - self.kept
        self.kept = kept

    def _regulate(self) -> None:
        limits = self.connection.limits
        is_crowded = self.sockets.kept > limits.ALL_FRAME_BYTES_WAITING // 2
        self.intake.regulate(0 if is_crowded else limits.READ_AHEAD)

    def lose_frames(self) -> None:
        """Drop what waits, and close the socket: all of them together have too many frames."""
        text = "Dropped %d frames of %s: those of all sockets exceed ALL_FRAME_BYTES_WAITING"
        arguments = text, self.connection.waiting, shown(self.connection.path)
        extra = self._fields("socket_closed", TOO_MANY_FRAMES)
        self.sockets.episodes.log(logger, logging.WARNING, *arguments, extra=extra)
        self.connection.drop_all_but(0)
        if self.connection.state == OPEN:
            self._emit(self.connection.close(TOO_MANY_FRAMES))
        self._count()
        self._step()

    def _refuse_fragments(self) -> None:
        text = "Closing %s: a message of it has more than %d fragments"
        extra = self._fields("socket_closed", FRAME_TOO_LARGE)
        arguments = text, shown(self.connection.path), FRAGMENTS
        self.sockets.episodes.log(logger, logging.WARNING, *arguments, extra=extra)
        self._emit(self.connection.close(FRAME_TOO_LARGE))
        self.intake.gate.shut()
        self.outgoing.cut()  # as the message may go on without end

    def end(self, code: int | None) -> None:
        """Note that the client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        if self.connection.end_code is None:
            self._leave_frames(code)
        self.intake.end()
        self.outgoing.clear()
        if self.reply_channel:
            self.layer.leave_groups(self.reply_channel)
        self._step()

    def _leave_frames(self, code: int | None) -> None:
        """Note that the client has left; few of its frames, for a while, still go to workers."""
        limits = self.connection.limits
        self.connection.end(code)
        self._drop("LEFT_FRAMES", limits.LEFT_FRAMES, self.intake.dropped)
        sockets, left = self.sockets, self.connection.waiting
        if sockets.left_frames + left > limits.LEFT_FRAMES_WAITING:
            self._drop("LEFT_FRAMES_WAITING")
        if sockets.left_bytes + self.connection.ahead > limits.LEFT_FRAME_BYTES_WAITING:
            self._drop("LEFT_FRAME_BYTES_WAITING")
        self._keep_left_frames()
        if self.left_frames:
            loop = asyncio.get_running_loop()
            self._left_timer = loop.call_later(limits.LEFT_TIME, self._drop_late)

    def _drop_late(self) -> None:
        self._drop("LEFT_TIME")
        self._step()

    def _drop(self, setting: str, count: int = 0, before: int = 0) -> None:
        if dropped := self.connection.drop_all_but(count) + before:
            text = "Dropped %d queued frames of %s, whose client has left: %s exceeded"
            arguments = text, dropped, shown(self.connection.path), setting
            extra = self._fields("frames_dropped")
            self.sockets.episodes.log(logger, logging.ERROR, *arguments, extra=extra)

    def _keep_left_frames(self) -> None:
        waiting, ahead = self.connection.waiting, self.connection.ahead
        self.sockets.left_frames += waiting - self.left_frames
        self.sockets.left_bytes += ahead - self.left_bytes
        self.left_frames, self.left_bytes = waiting, ahead

    def dismiss(self, reason: str) -> None:
        """Close the socket, as the server will stop; what it sent before still goes to workers."""
        self._emit(self.connection.close(SERVER_STOPS, reason))
        self.connection.end(SERVER_STOPS)
        self._keep_left_frames()
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
        self._regulate()

    def evicted(self) -> None:
        """Close the socket: the layer does not know it any more."""
        self.connection.finished = True
        self._emit(self.connection.close(CONNECTION_LOST))
        self.connection.abandon(CONNECTION_LOST)
        self._forget()

    def snapshot(self) -> ConnectionSnapshot | None:
        """Return the state that restores this connection after the layer lost its data."""
        connection, encode = self.connection, self.layer.encode
        if connection.order < 0:
            return None
        step = connection.under_way
        last = encode(disconnect_content(connection.path))
        under_way = PendingMessage(step.channel, encode(step.content)) if step else None
        return ConnectionSnapshot(connection.order, last, under_way)

    # To the layer

    def _step(self) -> None:
        step = self.connection.next_step()
        self._count()
        if self.left_frames:
            self._keep_left_frames()
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
            self.evicted()

    def _fail(self, step: Publish, error: Exception) -> None:
        path = shown(self.connection.path)
        if isinstance(error, MessageTooLarge):
            extra = self._fields("socket_closed", FRAME_TOO_LARGE)
            text = "Closing %s: %s"
            self.sockets.episodes.log(logger, logging.WARNING, text, path, error, extra=extra)
            self._give_up(FRAME_TOO_LARGE)
        elif isinstance(error, ServerEvicted):
            self.evicted()
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
        if self._left_timer is not None:
            self._left_timer.cancel()
        self.sockets.left_frames -= self.left_frames
        self.sockets.left_bytes -= self.left_bytes
        self.left_frames = self.left_bytes = 0
        self._is_forgotten = True
        self._count()
        self.layer.detach(self.reply_channel)
        self.sockets.known.discard(self)

    def _fields(self, event: str, code: int | None = None) -> dict[str, str | int]:
        path = shown(self.connection.path)
        return fields(event, code=code, connection=self.reply_channel, path=path)

    # To the client

    def _emit(self, events: list[Event]) -> None:
        for event in events:
            self.outgoing.put(event)
            if event["type"] == "websocket.accept":
                self.intake.gate.open()
            elif event["type"] == "websocket.close":
                self._regulate()  # its answer is to be read

    def _overflow(self) -> None:
        # A close frame would wait behind what the client does not read: cut the line.
        if self.broken:
            return
        extra = self._fields("socket_closed", READS_TOO_SLOWLY)
        path = shown(self.connection.path)
        text = "Closing %s: its client reads too slowly"
        self.sockets.episodes.log(logger, logging.WARNING, text, path, extra=extra)
        self.broken = True
        self._leave_frames(READS_TOO_SLOWLY)
        self.intake.gate.shut()
        self.outgoing.cut()
        if self.task is not None:
            self.task.cancel()
