"""A connection that outlives its sockets, at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from channels_workers.interface.actions import Action
from channels_workers.interface.backlog import Frame
from channels_workers.interface.close_codes import ABNORMAL
from channels_workers.interface.ends import tell_parked
from channels_workers.interface.outgoing import Outgoing
from channels_workers.interface.protocol import FRAME_COST
from channels_workers.interface.replies import connect_content, sends_of
from channels_workers.interface.resume.protocol import ResumableProtocol, Standing
from channels_workers.interface.resume.replay import ReplayedOutgoing, to_contents
from channels_workers.interface.resume.tokens import Ticket
from channels_workers.interface.socket import Socket, Sockets
from channels_workers.interface.types import Event, Receive, Scope, Send
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.kept import Adopted
from channels_workers.layers.types import ConnectionSnapshot, ReplyKind
from channels_workers.tracing import hooks

#: How long a client whose socket was replaced may take to read the close frame (s).
CUT_AFTER = 2.0


class Keeper(Protocol):
    """Keeps the resumable connections of a server."""

    def add(self, socket: ResumableSocket) -> None:
        """Know a connection by its reply channel."""

    def park(self, socket: ResumableSocket) -> None:
        """Wait for the client of a connection."""

    def unpark(self, socket: ResumableSocket) -> None:
        """Wait no more."""

    def forget(self, socket: ResumableSocket) -> None:
        """Know a connection no more."""


class Arrival(NamedTuple):
    """A client that waits *since* then (monotonic s) for its connection to come from elsewhere."""

    scope: Scope
    ticket: Ticket
    received: int
    since: float


class Attachment:
    """One socket of a resumable connection. Once another one has taken over, it does nothing."""

    def __init__(self, socket: ResumableSocket) -> None:
        self.socket = socket
        self.task: asyncio.Task[Any] | None = asyncio.current_task()  # that serves it
        self.outgoing: Outgoing

    @property
    def _is_current(self) -> bool:
        return self.socket.attachment is self

    @property
    def broken(self) -> bool:
        """Whether nothing more is to be read of it."""
        return not self._is_current or self.socket.broken

    def listen(self, receive: Receive) -> None:
        """Take frames at once where that is possible; see :meth:`Socket.listen`."""
        if self._is_current:
            self.socket.intake.gate.hand_frames_to(self.receive, receive)

    def receive(self, event: Event) -> None:
        """Take a frame."""
        if self._is_current:
            self.socket.receive(event)

    def end(self, code: int | None) -> None:
        """Note that the client is gone, or has answered the close frame of a former socket.

        uvicorn would keep the connection open for clients that wait for its end.
        """
        if self._is_current:
            self.socket.end(code)
        else:
            self.outgoing.cut()

    def abandon(self) -> None:
        """Let it go, as the server stops."""
        if self._is_current:
            self.socket.abandon()

    def guarded(self, call: Callable[[], None]) -> Callable[[], None]:
        """Return what makes *call* only while this is the socket of the connection."""
        return lambda: call() if self._is_current else None


class ResumableSocket(Socket):
    """A :class:`Socket` that waits for its client when it is lost."""

    kind = ReplyKind.KEPT
    protocol: ResumableProtocol
    outgoing: ReplayedOutgoing

    def __init__(
        self,
        layer: WorkerLayer,
        sockets: Sockets,
        protocol: ResumableProtocol,
        send: Send,
        keeper: Keeper,
    ) -> None:
        self.keeper = keeper
        self.network = ""  # of its client, as limits count it
        self.attachment: Attachment | None = None
        self._is_leaving = False  # the server stops
        self._arrival: Arrival | None = None  # while it is adopted
        self._disconnect_payload = b""  # of the server that had it first, if that was another one
        super().__init__(layer, sockets, protocol, send)

    def _connect(self, send: Send) -> None:
        attachment = self.attachment = Attachment(self)
        self.task = attachment.task
        overflow, broken = self._overflow, self._refuse_fragments
        lines = self._lines(send, attachment.guarded(overflow), attachment.guarded(broken))
        attachment.outgoing, self.intake = lines
        self.outgoing = ReplayedOutgoing(self.protocol.replay, attachment.outgoing)

    async def open(self) -> None:
        """Publish the handshake."""
        await super().open()
        self.keeper.add(self)

    @property
    def is_ending(self) -> bool:
        """Whether its client is gone for good, or the server stops."""
        return self._is_leaving or self.protocol.has_ended

    # The client goes and comes

    def receive(self, event: Event) -> None:
        """Take a frame, unless an earlier one was dropped: the client counts them."""
        if self.intake.dropped:
            self.intake.dropped += 1
        else:
            super().receive(event)

    def end(self, code: int | None) -> None:
        """Note that the client is gone. The connection waits for it, unless it left for good."""
        if self.protocol.outlives(code):
            self.outgoing.clear()
            self._perform(self.protocol.end(code))
            self._wait_for_client()
        else:
            super().end(code)

    def _wait_for_client(self) -> None:
        self._detach()
        self.keeper.park(self)

    def _detach(self) -> None:
        """Let the socket go; the connection goes on without one."""
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
        self.intake.end()
        self.outgoing.line = self.attachment = self.task = None

    def take_over(self, scope: Scope, send: Send, received: int, *, is_heard: bool) -> None:
        """Go on with another socket of the client, once workers have heard of it."""
        self.keeper.unpark(self)
        former = self.attachment
        self._perform(self.protocol.claim(scope, received))
        self._detach()
        if former is not None:
            asyncio.get_running_loop().call_later(CUT_AFTER, former.outgoing.cut)
        self._connect(send)
        self._ask(scope, is_heard=is_heard)

    def _ask(self, scope: Scope, *, is_heard: bool, waited: float = 0.0) -> None:
        """Let workers hear of the client that waits, if they do, and then go on."""
        self.outgoing.is_held = True
        if is_heard:
            self._wait_for_answer(waited)
            self._perform(self.protocol.ask(connect_content(scope)))
        else:
            self._perform(self.protocol.go_on())

    async def adopt(self, scope: Scope, ticket: Ticket, received: int) -> bool:
        """Go on with the connection of *ticket*, of another server; return whether that is so."""
        self.reply_channel = ticket.reply_channel
        self._arrival = Arrival(scope, ticket, received, time.monotonic())
        adopted = await self.layer.kept.adopt(ticket.reply_channel, self, received)
        self._arrival = None
        return adopted is not None

    def resumed(self, adopted: Adopted) -> None:
        """Go on with a connection of another server; its messages come from now on."""
        assert self._arrival is not None  # noqa: S101  (for the type checker)
        scope, ticket, received, since = self._arrival
        self._disconnect_payload = adopted.disconnect_payload
        numbers = adopted.order, adopted.received
        standing = Standing(*numbers, self._in_flight(adopted), adopted.is_gap)
        self.protocol.adopt(self.reply_channel, scope, received, standing)
        self.sockets.known.add(self)
        self.keeper.add(self)
        self.outgoing.is_held = True
        for content in adopted.missed:
            for frame in sends_of(content):
                self.outgoing.put(frame)
        if ticket.expires:
            self.protocol.expires = ticket.expires
            self._expire_at(ticket.expires)
        self._ask(scope, is_heard=adopted.is_heard, waited=time.monotonic() - since)

    def _in_flight(self, adopted: Adopted) -> Frame | None:
        """Return the message that no worker has finished; the first one is no frame."""
        if adopted.pending is None:
            return None
        payload = adopted.pending.payload
        content = self.layer.codec.decode(payload)
        content.pop(hooks.CARRIER, None)
        return Frame(content, 0, FRAME_COST + len(payload) if adopted.order else 0)

    def _time_out(self) -> None:
        super()._time_out()
        if self.protocol.is_parked and self.attachment is not None:
            self._wait_for_client()

    def give_up(self) -> None:
        """End the connection, whose client has not come back."""
        self.keeper.unpark(self)
        self._stop_timers()
        self.layer.leave_groups(self.reply_channel)
        self._perform(self.protocol.give_up())
        self._drop_later()

    # The server stops

    def dismiss(self, reason: str) -> None:
        """Close the socket, as the server will stop; the connection waits for its client."""
        if not self.protocol.can_resume:
            super().dismiss(reason)
            return
        self._perform(self.protocol.dismiss(reason))
        self._wait_for_client()

    def stop(self) -> None:
        """Close the socket, as the server stops. The layer keeps the connection for its client."""
        if not self.protocol.can_resume:
            super().stop()
        elif not self._is_leaving:
            self._is_leaving = True
            self._perform(self.protocol.leave())
            self._detach()
            self.keeper.unpark(self)
            self._closing = asyncio.get_running_loop().create_task(self._park())

    def abandon(self) -> None:
        """Let the socket go, as the server stops."""
        if self.protocol.can_resume:
            self.stop()
        else:
            super().abandon()

    async def _park(self) -> None:
        try:
            await tell_parked(self.layer, self.reply_channel, ABNORMAL, self.protocol)
        finally:  # until the process ends, another server may still ask for what is kept
            self.sockets.known.discard(self)

    def _forget(self) -> None:
        super()._forget()
        self._forget_here()

    def _forget_here(self) -> None:
        """Forget the connection, and leave it to the layer."""
        self._stop_timers()
        self.protocol.forget()
        self.protocol.replay.end()
        self.sockets.known.discard(self)
        self.keeper.forget(self)

    # From the layer

    def deliver(self, content: Content, to_group: bool = False) -> None:
        """Take a message to the reply channel or, if *to_group*, to a group that it is in."""
        super().deliver(content, to_group)
        if not self.protocol.can_resume:
            self._finish()

    def hand_over(self, has: int) -> Sequence[Content] | None:
        """End here, as another socket goes on. Return the frames after number *has*."""
        closes, frames = self.protocol.hand_over(has)
        former = self.attachment
        self._perform(closes)
        self._detach()
        if former is not None:
            asyncio.get_running_loop().call_later(CUT_AFTER, former.outgoing.cut)
        self._forget_here()
        return None if frames is None else to_contents(frames)

    def end_told(self) -> None:
        """Forget the connection: the layer has ended it."""
        if self._is_leaving:
            self._forget()

    def snapshot(self) -> ConnectionSnapshot | None:
        """Return the state that restores this connection after the layer lost its data."""
        found = super().snapshot()
        if found is None or not self._disconnect_payload:
            return found
        return found._replace(disconnect_payload=self._disconnect_payload)

    # What the protocol wants done

    def _perform(self, actions: Sequence[Action]) -> None:
        super()._perform(actions)
        if self.protocol.is_closed:
            self._finish()

    def _finish(self) -> None:
        """End what was closed while no client was there."""
        if actions := self.protocol.finish():
            self.keeper.unpark(self)
            self._stop_timers()
            self.layer.leave_groups(self.reply_channel)
            super()._perform(actions)
