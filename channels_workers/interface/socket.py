"""The sockets of an interface server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from channels_workers.concurrency.futures import settle
from channels_workers.exceptions import LayerUnavailable, MessageTooLarge, ServerEvicted
from channels_workers.interface.actions import (
    Accept,
    Action,
    ClientAction,
    Close,
    CloseSocket,
    ExpireAt,
    MakeRoom,
    Publish,
    SendFrame,
)
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.close_codes import (
    CONNECTION_LOST,
    FRAME_TOO_LARGE,
    GOING_AWAY,
    SERVER_STOPS,
)
from channels_workers.interface.ends import tell_end
from channels_workers.interface.expiry import Expiry
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.incoming import Intake, gate_for
from channels_workers.interface.outgoing import Outgoing
from channels_workers.interface.outgoing_kinds import outgoing_for
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.replies import disconnect_content, latest
from channels_workers.interface.servers.gate import FRAGMENTS
from channels_workers.interface.servers.stalls import StallDetector
from channels_workers.interface.traffic import OPEN, Traffic
from channels_workers.interface.types import Event, Receive, Send
from channels_workers.interface.unread import Unread
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    ConnectionSnapshot,
    PendingMessage,
    Published,
    ReplyKind,
)
from channels_workers.log_limits import Episodes
from channels_workers.logs import shown
from channels_workers.tracing import hooks
from channels_workers.tracing.hooks import Done

logger = logging.getLogger(__name__)


class Line(Protocol):
    """The way out to a client."""

    def put(self, action: ClientAction) -> None:
        """Send the event of *action* after those that wait."""

    def put_shared(self, shared: SharedFrame) -> None:
        """Send a frame that other members of a group get, too."""

    def clear(self) -> None:
        """Send nothing of what waits."""

    def cut(self) -> None:
        """Drop the connection, with all that waits for the client."""


class Sockets:
    """The sockets of one server: each is ``known`` until the layer knows of its end."""

    def __init__(self, traffic: Traffic | None = None) -> None:
        self.known: set[Socket] = set()
        self.traffic = Traffic() if traffic is None else traffic
        self.backlog = Backlog()
        self.episodes = Episodes()
        self.unread = Unread(self.episodes)
        self.stalls = StallDetector()

    def make_room(self, limit: int) -> None:
        """Let the sockets with most pending frames lose them, until *limit* bytes are left."""
        while self.backlog.taken > limit:
            greediest = max(self.known, key=_pending_cost, default=None)
            if greediest is None or not greediest.protocol.pending.frames:
                return
            greediest.lose_frames()


def _pending_cost(socket: Socket) -> int:
    return socket.protocol.pending.cost


class Socket:
    """One connection at work: asyncio and the layer around the pure :class:`WebSocketProtocol`."""

    #: The kind of its reply channel.
    kind = ReplyKind.SOCKET

    def __init__(
        self, layer: WorkerLayer, sockets: Sockets, protocol: WebSocketProtocol, send: Send
    ) -> None:
        self.layer = layer
        self.sockets = sockets
        self.protocol = protocol
        self.reply_channel = ""
        self.trace: Any = None  # of its handshake, for the tracing
        self.broken = False
        self.task: asyncio.Task[Any] | None = None  # that serves it
        self.outgoing: Line
        self.intake: Intake
        self._connect(send)
        # Two, if the inbox tells that a message is finished before the answer to its publish comes.
        self._publishing = 0
        self._published_all: asyncio.Future[None] | None = None  # while somebody waits for it
        self._closing: asyncio.Task[None] | None = None
        self._handshake_timer: asyncio.TimerHandle | None = None
        self._left_timer: asyncio.TimerHandle | None = None
        self._expiry: Expiry | None = None

    def _connect(self, send: Send) -> None:
        self.outgoing, self.intake = self._lines(send, self._overflow, self._refuse_fragments)

    def _lines(
        self, send: Send, overflow: Callable[[], None], broken: Callable[[], None]
    ) -> tuple[Outgoing, Intake]:
        """Return the two ways of the socket behind *send*, out and in."""
        sockets, limits = self.sockets, self.protocol.limits
        traffic = sockets.traffic
        outgoing = outgoing_for(send, limits, overflow, sockets.unread, traffic)
        gate = gate_for(send, limits, outgoing.look, broken)
        return outgoing, Intake(gate, self.protocol, sockets.stalls, sockets.backlog, traffic)

    async def open(self) -> None:
        """Publish the handshake."""
        self.task = asyncio.current_task()
        self.reply_channel = await self.layer.attach(self, self.kind)
        self.sockets.known.add(self)
        self._wait_for_answer()
        self._perform(self.protocol.begin(self.reply_channel))

    def _wait_for_answer(self, waited: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        patience = max(0.0, self.protocol.patience - waited)
        self._handshake_timer = loop.call_later(patience, self._time_out)

    def _time_out(self) -> None:
        if seconds := self.protocol.more_patience():
            loop = asyncio.get_running_loop()
            self._handshake_timer = loop.call_later(seconds, self._time_out)
        else:
            self._handshake_timer = None
            self._perform(self.protocol.time_out(self.layer.local_only))

    def _expire_at(self, when: float) -> None:
        if self.protocol.has_ended or self.protocol.is_closed:
            return
        if self._expiry is None:
            self._expiry = Expiry(lambda: self._perform(self.protocol.expire()))
        self._expiry.set(when)

    def _stop_waiting(self) -> None:
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None

    def _stop_timers(self) -> None:
        self._stop_waiting()
        if self._expiry is not None:
            self._expiry.cancel()

    @property
    def request_id(self) -> str:
        """The id of its handshake, "" without one."""
        return self.protocol.request_id

    @property
    def is_open(self) -> bool:
        """Whether it was accepted, and neither side has closed it."""
        return self.protocol.is_open

    @property
    def is_ending(self) -> bool:
        """Whether its client is gone for good, so that the layer is to know."""
        return self.protocol.has_ended

    # From the client

    def listen(self, receive: Receive) -> None:
        """Take frames at once where that is possible, before *receive* would return them."""
        self.intake.gate.hand_frames_to(self.receive, receive)

    def receive(self, event: Event) -> None:
        """Take a frame."""
        intake = self.intake
        if intake.is_ending and intake.drops(event):
            if intake.dropped_bytes > self.protocol.limits.FRAME_BYTES_WAITING:
                self.outgoing.cut()  # or it would be read however much it sends
        else:
            match self.protocol.receive(event):
                case [Publish() as step]:
                    self._publish(step)
                case actions:
                    self._perform(actions)
                    if self.protocol.pending.frames:
                        intake.count()
        if intake.gate.is_paused or intake.gate.rest or self.protocol.pending.frames:
            intake.regulate()

    def lose_frames(self) -> None:
        """Drop what is pending, and close the socket."""
        self._perform(self.protocol.lose_frames())

    def _refuse_fragments(self) -> None:
        self._perform(self.protocol.refuse_fragments(FRAGMENTS))
        self.intake.gate.shut()
        self.outgoing.cut()  # as the message may go on without end

    def end(self, code: int | None) -> None:
        """Note that the client is gone."""
        self._stop_timers()
        self.intake.end()
        self.outgoing.clear()
        if self.reply_channel:
            self.layer.leave_groups(self.reply_channel)
        had_ended = self.protocol.has_ended
        self._perform(self.protocol.end(code, self.intake.dropped))
        if not had_ended:
            self._drop_later()

    def _drop_later(self) -> None:
        """Let pending frames of a client that has left go to workers for LEFT_TIME."""
        if self.protocol.pending.frames:
            loop = asyncio.get_running_loop()
            self._left_timer = loop.call_later(self.protocol.limits.LEFT_TIME, self._drop_late)

    def _drop_late(self) -> None:
        self._perform(self.protocol.drop_late())

    def dismiss(self, reason: str) -> None:
        """Close the socket, as the server will stop; frames sent before still go to workers."""
        self.layer.leave_groups(self.reply_channel)
        self._perform(self.protocol.dismiss(reason))

    def stop(self) -> None:
        """Close the socket, as the server stops; frames that no worker has are lost."""
        self._stop_timers()
        self.layer.leave_groups(self.reply_channel)
        self._perform(self.protocol.abort(SERVER_STOPS))

    def abandon(self) -> None:
        """End the socket, as the server stops; frames that no worker has are lost."""
        self._perform(self.protocol.abandon(GOING_AWAY))
        self.end(GOING_AWAY)

    # From the layer

    def deliver(self, content: Content, to_group: bool = False) -> None:
        """Take a message to the reply channel or, if *to_group*, to a group that it is in."""
        made = latest.made
        if made.content is not content:
            made = latest.make(content, to_group)
        if made.frame is not None and self.protocol.state == OPEN:
            self.outgoing.put_shared(made.frame)
            return
        for action in self.protocol.reply(content, to_group):
            if isinstance(action, SendFrame):
                self.outgoing.put(action)
            else:
                self._perform([action])

    def release(self, order: int) -> None:
        """Note that a worker has finished the message *order*."""
        if actions := self.protocol.release(order):
            self._perform(actions)
        intake = self.intake
        if intake.gate.is_paused or intake.gate.rest or self.protocol.pending.frames:
            intake.regulate()

    def evicted(self) -> None:
        """Close the socket: the layer does not know it any more."""
        self._perform(self.protocol.evict())
        self._forget()

    def end_told(self) -> None:
        """Do nothing: the layer forgets a socket after its disconnect."""

    def snapshot(self) -> ConnectionSnapshot | None:
        """Return the state that restores this connection after the layer lost its data."""
        protocol, encode = self.protocol, self.layer.codec.encode_own
        if protocol.order < 0:
            return None
        step = protocol.in_flight
        last = encode(disconnect_content(protocol.path, protocol.request_id))
        in_flight = PendingMessage(step.channel, encode(step.content)) if step else None
        return ConnectionSnapshot(protocol.order, last, in_flight)

    # What the protocol wants done

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Publish():
                    self._publish(action)
                case Close():
                    loop = asyncio.get_running_loop()
                    self._closing = loop.create_task(self._close(action))
                case ExpireAt():
                    self._expire_at(action.time)
                case MakeRoom():
                    self.sockets.make_room(self.protocol.limits.ALL_FRAME_BYTES_WAITING)
                    self._perform(self.protocol.proceed())
                case _:
                    self.outgoing.put(action)
                    self._read_on(action)

    def _read_on(self, sent: ClientAction) -> None:
        """Read what the client may send now."""
        match sent:
            case Accept():
                if self.protocol.is_answered:
                    self._stop_waiting()
                self.intake.gate.open()
            case CloseSocket():
                self.intake.regulate()  # its answer is to be read

    def _publish(self, step: Publish) -> None:
        encode = self.layer.codec.encode_own
        done: Done = partial(self._published, step)
        content, protocol = step.content, self.protocol
        ending = {} if step.order else disconnect_content(protocol.path, protocol.request_id)
        if hooks.active is not None:
            content, ending, done = hooks.active.publish(self, step, ending, done)
        try:
            last = b"" if step.order else encode(ending)
            message = (step.channel, self.reply_channel, step.order, encode(content), last)
        except Exception as error:  # noqa: BLE001  (_fail looks at it)
            self.protocol.withdraw()
            self._fail(step, error)
            return
        self._publishing += 1
        try:
            self.layer.start_publish(*message, done)
        except LayerUnavailable as error:
            done(error)

    def _published(self, step: Publish, published: Published | Exception) -> None:
        self._publishing -= 1
        if self._published_all is not None and not self._publishing:
            settle(self._published_all, None)
            self._published_all = None
        if isinstance(published, Exception):
            self._fail(step, published)
        elif published is Published.GONE:
            self.evicted()
        elif step.received:
            self.sockets.traffic.note_published(step.received)

    def _fail(self, step: Publish, error: Exception) -> None:
        protocol, path = self.protocol, shown(self.protocol.path)
        if isinstance(error, MessageTooLarge):
            extra = protocol.fields("socket_closed", FRAME_TOO_LARGE)
            text = "Closing %s: %s"
            self.sockets.episodes.log(logger, logging.WARNING, text, path, error, extra=extra)
            self._perform(protocol.abort(FRAME_TOO_LARGE))
        elif isinstance(error, ServerEvicted):
            self.evicted()
        else:
            text, extra = "Publishing order %d of %s failed", protocol.fields("publish_failed")
            logger.error(text, step.order, path, exc_info=error, extra=extra)
            self._perform(protocol.abort(CONNECTION_LOST))

    async def _close(self, step: Close) -> None:
        try:
            await tell_end(self.layer, self.reply_channel, step.code, self.protocol)
        finally:
            self._forget()

    def unsettled(self) -> list[asyncio.Future[None]]:
        """Return what to wait for until the layer has all that goes to it."""
        waits: list[asyncio.Future[None]] = [self._closing] if self._closing else []
        if self._publishing:
            if self._published_all is None:
                self._published_all = asyncio.get_running_loop().create_future()
            waits.append(self._published_all)
        return waits

    def _forget(self) -> None:
        self._stop_timers()
        if self._left_timer is not None:
            self._left_timer.cancel()
        self.protocol.forget()
        self.layer.detach(self.reply_channel)
        self.sockets.known.discard(self)

    def _overflow(self) -> None:
        # A close frame would wait behind what the client does not read: cut the connection.
        if self.broken:
            return
        self.broken = True
        self.layer.leave_groups(self.reply_channel)
        had_ended = self.protocol.has_ended
        self._perform(self.protocol.read_too_slowly(self.intake.dropped))
        if not had_ended:
            self._drop_later()
        self.intake.gate.shut()
        self.outgoing.cut()
        if self.task is not None:
            self.task.cancel()
