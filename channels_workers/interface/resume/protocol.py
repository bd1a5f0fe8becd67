"""The protocol of a connection that outlives its sockets; no I/O.

Its client is *present*, *absent*, or *waiting* for the consumer of ``websocket.resume``. Before
that has finished, nothing of the connection goes to the new socket: the consumer may refuse it.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from django.core.signing import Signer

from channels_workers.bearer.wire import default_subprotocol
from channels_workers.conf import Configuration
from channels_workers.interface.actions import (
    Accept,
    Action,
    Actions,
    ClientActions,
    CloseSocket,
    Publish,
    SendFrame,
)
from channels_workers.interface.backlog import Backlog, Frame
from channels_workers.interface.close_codes import ABNORMAL, FOR_GOOD, REPLACED, SERVER_STOPS
from channels_workers.interface.orphans import bound_orphans
from channels_workers.interface.protocol import CLOSED, FRAME_COST, WebSocketProtocol
from channels_workers.interface.replies import (
    close_code,
    deadline_of,
    is_refusal,
)
from channels_workers.interface.resume import wire
from channels_workers.interface.resume.replay import Replay
from channels_workers.interface.resume.tokens import Ticket, make_token
from channels_workers.interface.texts import NO_WORKER, NO_WORKER_HERE, REFUSED_TO_RESUME
from channels_workers.interface.traffic import (
    ABANDONED,
    ACCEPTED,
    CLIENT,
    OPEN,
    PARKED,
    REFUSED,
    SERVER,
    TIMED_OUT,
    Traffic,
)
from channels_workers.interface.types import Scope, accept_event, close_event
from channels_workers.layers.codec import Content
from channels_workers.layers.types import RESUME
from channels_workers.log_limits import Episodes
from channels_workers.logs import shown


class Presence(Enum):
    """Where the client is."""

    PRESENT = "present"
    ABSENT = "absent"
    WAITING = "waiting"


class Standing(NamedTuple):
    """Where a connection of another server stands.

    *order* is that of its last message, and *in_flight* that message if no worker has finished it.
    Workers have *received* so many frames of the client. With a *is_gap* it has missed some.
    """

    order: int
    received: int
    in_flight: Frame | None
    is_gap: bool


class ResumableProtocol(WebSocketProtocol):
    """A :class:`WebSocketProtocol` whose client may lose its socket, and come back with another."""

    __slots__ = (
        *("_answered", "_claim", "_is_gap", "_presence", "_received", "_resumes", "_signer"),
        *("expires", "replay"),
    )

    def __init__(
        self,
        scope: Scope,
        limits: Configuration,
        episodes: Episodes,
        backlog: Backlog,
        traffic: Traffic,
        replay: Replay,
        signer: Signer,
    ) -> None:
        super().__init__(scope, limits, episodes, backlog, traffic)
        self.replay = replay
        self._signer = signer
        self.expires = 0  # when a consumer wants it to end (Unix time, s); 0 for never
        self._presence = Presence.PRESENT
        self._answered = self._subprotocol  # what the last accept had
        self._claim: Content | None = None  # the websocket.resume of the client that waits
        self._received = 0  # frames that this client has received
        self._resumes = 0  # how many websocket.resume are published
        self._is_gap = False  # frames for the client were lost elsewhere

    # What others may know of it

    @property
    def is_open(self) -> bool:
        """Whether its client is there."""
        return self.state == OPEN and self._presence is Presence.PRESENT

    @property
    def has_client(self) -> bool:
        """Whether a client is there, or waits."""
        return self._presence is not Presence.ABSENT and not self.has_ended

    @property
    def is_parked(self) -> bool:
        """Whether it waits for its client."""
        return self.state == OPEN and self._presence is not Presence.PRESENT

    @property
    def can_resume(self) -> bool:
        """Whether a client may go on with it."""
        return self.state == OPEN and self._end_code is None

    def outlives(self, code: int | None) -> bool:
        """Say whether it goes on after its socket has ended with *code*."""
        return self.can_resume and (self._presence is Presence.WAITING or code not in FOR_GOOD)

    @property
    def in_flight(self) -> Publish | None:
        """The message that no worker has finished yet."""
        step = super().in_flight
        return self._as_published(step) if step is not None and step.order else step

    @property
    def frames_taken(self) -> int:
        """How many frames of the client have taken effect, or will."""
        waiting = sum("headers" not in each.content for each in self.pending.frames)
        return self._order - self._resumes + waiting

    @property
    def _token(self) -> str:
        """With what its client may resume."""
        return make_token(self._signer, Ticket(self._name, self.expires))

    # The client goes

    def end(self, code: int | None, dropped: int = 0, by: str = CLIENT) -> Actions:
        """Note that the client is gone. It may come back, unless it has closed for good."""
        if self._presence is Presence.ABSENT and self.can_resume:
            return []  # the end of a socket that is known to be lost
        if self.can_resume and self._presence is Presence.WAITING:
            self._traffic.note_handshake(ABANDONED, self._began)
            return self._park()
        if by == CLIENT and self.outlives(code):
            self._traffic.note_close(int(code or ABNORMAL), by)
            return self._park()
        self._claim = None
        return super().end(code, dropped, by)

    def _park(self) -> Actions:
        """Wait for the client. Frames that it has sent still go to workers."""
        self._presence, self._claim = Presence.ABSENT, None
        self._traffic.admission.end(self)
        self._count_as(PARKED)
        for setting, count in bound_orphans(self.pending, self.limits).items():
            self._log_dropped(count, setting)
        return []

    def give_up(self) -> Actions:
        """End it: its client has not come back."""
        if not self.can_resume:
            return []
        self._presence, self._claim = Presence.PRESENT, None  # as before a common end
        self._enter(CLOSED)
        return super().end(ABNORMAL)

    def _send_away(self, code: int, reason: str = "") -> ClientActions:
        """Close the socket that is there, or refuse the one that waits."""
        match self._presence:
            case Presence.PRESENT:
                self._traffic.note_close(code, SERVER)
                return [CloseSocket(close_event(code, reason))]
            case Presence.WAITING:
                self._traffic.note_handshake(REFUSED, self._began)
                return [CloseSocket(close_event(1000))]
        return []

    def finish(self) -> Actions:
        """End what was closed while no client was there."""
        is_alone = self._presence is Presence.ABSENT and self._end_code is None
        return super().end(None) if is_alone and self.state == CLOSED else []

    # The client comes back

    def claim(self, scope: Scope, received: int) -> ClientActions:
        """Let another socket wait, whose client has *received* so many frames.

        Returns what the socket before gets; :meth:`ask` follows.
        """
        former = self._send_away(REPLACED)
        self._count_as(PARKED)
        self._wait_with(scope, received)
        return former

    def adopt(self, name: str, scope: Scope, received: int, standing: Standing) -> None:
        """Become the connection *name* of another server, while its client waits here."""
        self._name, self._handshake = name, None
        self.state = OPEN
        self._count_as(PARKED)
        self._order, self._resumes = standing.order, standing.order - standing.received
        self._is_gap, self._in_flight = standing.is_gap, standing.in_flight
        if self._in_flight is not None:
            self._backlog.taken += self._in_flight.cost
            self._backlog.frames += self._in_flight.cost > 0
        self.replay.restart(received)
        self._wait_with(scope, received)

    def _wait_with(self, scope: Scope, received: int) -> None:
        self._presence = Presence.WAITING
        self._traffic.admission.asking.add(self)
        self._received = received
        self._began = 0.0 if self._traffic.now is None else self._traffic.now()
        self._offered = list(scope.get("subprotocols", ()))
        default = default_subprotocol(scope)
        self._subprotocol = self._answered if self._answered in self._offered else default
        self.pending.reclaim()

    def ask(self, content: Content) -> Actions:
        """Let workers hear that the client is back, by *content* of its handshake."""
        if self.request_id:
            content["request_id"] = self.request_id
        cost = FRAME_COST + sum(sys.getsizeof(value) for _, value in content["headers"])
        if self.pending.frames and "headers" in self.pending.frames[-1].content:
            self.pending.drop_newest()  # of a socket that is replaced
        self._claim = content
        self._backlog.taken += cost
        self._backlog.frames += 1
        self.pending.append(Frame(content, 0, cost))
        return self._next()

    def go_on(self) -> ClientActions:
        """Accept the client that waits, and send what it has not received."""
        self._presence, self._claim = Presence.PRESENT, None
        self._traffic.admission.end(self)
        self._answered = self._subprotocol
        self._traffic.note_handshake(ACCEPTED, self._began)
        self._count_as(OPEN)
        frames, is_gap = self.replay.after(self._received)
        self.replay.restart(self._received)
        count, is_gap = self.frames_taken, is_gap or self._is_gap
        seconds = self.limits.RESUME_TIME
        text = wire.resumed_answer(self._token, seconds, count, is_gap=is_gap)
        self._is_gap = False
        return [Accept(accept_event(self._subprotocol)), _text_frame(text), *frames]

    def time_out(self, is_local: bool = False) -> ClientActions:
        """Refuse a handshake that nobody answered in time. The connection may still be resumed."""
        if self._presence is not Presence.WAITING or self.state != OPEN:
            return super().time_out(is_local)
        reason, timeout = NO_WORKER_HERE if is_local else NO_WORKER, self.limits.HANDSHAKE_TIMEOUT
        self._log(logging.WARNING, reason, timeout, extra=self.fields("handshake_timeout"))
        self._traffic.note_handshake(TIMED_OUT, self._began)
        self._park()
        return [CloseSocket(close_event(1000))]

    # The server stops, or another one goes on

    def dismiss(self, reason: str) -> Actions:
        """Close the socket, as the server will stop. The connection waits for its client."""
        if not self.can_resume:
            return super().dismiss(reason)
        closes = self._send_away(SERVER_STOPS, reason)
        self._park()
        return [*closes]

    def leave(self) -> Actions:
        """Close the socket, as the server stops. Frames that no worker has are not counted."""
        actions = self.dismiss("")
        self.pending.drop_all_but(0)
        return actions

    def hand_over(self, received: int) -> tuple[ClientActions, list[SendFrame] | None]:
        """Return what the client gets, and what another server sends after *received* frames.

        That is None if some of it is missing. The connection is at the other server now.
        """
        closes = self._send_away(REPLACED)
        frames, is_gap = self.replay.after(received)
        self.state, self._presence = CLOSED, Presence.ABSENT
        self.forget()
        return closes, None if is_gap else frames

    # From the layer

    def reply(self, content: Content, to_group: bool = False) -> Sequence[Action]:
        """Take what a consumer sent to the reply channel or, if *to_group*, to a group.

        A new end of the socket makes a new token.
        """
        if "expires" not in content or not self._note_expiry(content["expires"]):
            return self._reply(content, to_group)
        was_open = self.is_open
        actions = self._reply(content, to_group)
        if not (was_open and self.is_open):
            return actions
        return [*actions, _text_frame(wire.renewal(self._token, self.limits.RESUME_TIME))]

    def _note_expiry(self, expires: Any) -> bool:
        is_number = isinstance(expires, int | float) and not isinstance(expires, bool)
        if not is_number or not abs(expires) < math.inf:
            return False  # which is logged, too
        self.expires = max(1, int(expires))
        return True

    def _reply(self, content: Content, to_group: bool) -> Sequence[Action]:
        if self._presence is Presence.WAITING and not to_group and self._is_asked():
            if is_refusal(content):
                why = content.get("why")
                text = REFUSED_TO_RESUME if not isinstance(why, str) else "Refused to resume %s: %s"
                more = (shown(why),) if isinstance(why, str) else ()
                self._log(logging.WARNING, text, *more, extra=self.fields("socket_refused"))
                return self.close(content.get("close") or True)
            if content.get("accept"):
                return self._choose(content)
        return super().reply(content, to_group)

    def _is_asked(self) -> bool:
        """Say whether the message in flight is that of the client that waits."""
        return self._in_flight is not None and self._in_flight.content is self._claim

    def _choose(self, content: Content) -> Sequence[Action]:
        """Take the subprotocol that the consumer of ``websocket.resume`` accepts with."""
        chosen = content.get("subprotocol")
        if chosen and chosen not in self._offered:
            return self._refuse_subprotocol(chosen)
        self._subprotocol = chosen or self._subprotocol
        rest = {
            key: value for key, value in content.items() if key not in ("accept", "subprotocol")
        }
        return [*deadline_of(content), *(super().reply(rest) if rest else [])]

    def release(self, order: int) -> Actions:
        """Note that a worker has finished the message *order*."""
        is_answer = self._is_asked() and order == self._order
        actions = super().release(order)
        if is_answer and self._presence is Presence.WAITING and self.state == OPEN:
            return [*self.go_on(), *actions]
        return actions

    # To the client

    def _accept(self, subprotocol: str | None = None) -> ClientActions:
        accepts = super()._accept(subprotocol)
        self._answered = subprotocol or self._subprotocol
        return [*accepts, _text_frame(wire.answer(self._token, self.limits.RESUME_TIME))]

    def close(self, code: Any = True, reason: str = "", outcome: str = REFUSED) -> ClientActions:
        """Close the socket; True stands for 1000. Without a client the connection just ends."""
        if self.state != OPEN or self._presence is Presence.PRESENT:
            return super().close(code, reason, outcome)
        self._close_code = close_code(code)
        self._enter(CLOSED)
        if self._presence is Presence.ABSENT:
            return []  # finish() follows
        self._traffic.note_handshake(outcome, self._began)
        return [CloseSocket(close_event(1000))]

    def _refuse(self, outcome: str = REFUSED) -> ClientActions:
        return self.close() if self.is_parked else super()._refuse(outcome)

    # To the layer

    def _next(self) -> Actions:
        actions = super()._next()
        match actions:
            case [Publish() as step]:
                step = self._as_published(step)
                self._resumes += step.channel == RESUME
                return [step]
        return actions

    def _as_published(self, step: Publish) -> Publish:
        """Return *step* on its channel: a handshake after the first one resumes."""
        return step._replace(channel=RESUME) if "headers" in step.content else step


def _text_frame(text: str) -> SendFrame:
    return SendFrame({"type": "websocket.send", "text": text}, len(text))
