"""One WebSocket: events of its client and messages of its layer in, actions out; no I/O."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

from channels_workers.bad_replies import problem_of
from channels_workers.bearer.wire import default_subprotocol
from channels_workers.conf import Configuration
from channels_workers.interface.actions import (
    Accept,
    Action,
    Actions,
    ClientActions,
    Close,
    CloseSocket,
    MakeRoom,
    Publish,
)
from channels_workers.interface.backlog import Backlog, Frame, PendingFrames
from channels_workers.interface.close_codes import (
    ABNORMAL,
    CONNECTION_LOST,
    FRAME_TOO_LARGE,
    READS_TOO_SLOWLY,
    SERVER_STOPS,
    TOKEN_EXPIRED,
    TOO_MANY_FRAMES,
)
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.orphans import bound_orphans
from channels_workers.interface.replies import (
    close_code,
    close_reason,
    connect_content,
    consumers_path,
    deadline_of,
    has_frame,
    is_refusal,
    latest,
    sends_of,
)
from channels_workers.interface.request_ids import request_id
from channels_workers.interface.texts import (
    BAD_REPLY,
    DENIED,
    DENIED_AS,
    NO_ANSWER,
    NO_WORKER,
    NO_WORKER_HERE,
    NOT_OFFERED,
    TOO_MANY_HELD,
)
from channels_workers.interface.traffic import (
    ABANDONED,
    ACCEPTED,
    CLIENT,
    CLOSING,
    CONNECTING,
    FAILED,
    OPEN,
    REFUSED,
    SERVER,
    TIMED_OUT,
    Traffic,
)
from channels_workers.interface.types import Event, Scope, accept_event, close_event
from channels_workers.layers.codec import Content
from channels_workers.layers.types import CONNECT, RECEIVE
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields, shown
from channels_workers.tracing import hooks

logger = logging.getLogger(__name__)

CLOSED = "closed"

#: The states as the traffic counts them.
SOCKET_STATES = {CONNECTING: CONNECTING, OPEN: OPEN, CLOSED: CLOSING}

#: What Python needs for a pending frame, beside its text or bytes (bytes).
FRAME_COST = 320


class WebSocketProtocol:
    """The state of one WebSocket, towards its client and towards the layer.

    Methods return what to do, in this order. Towards the layer one message is in flight at a time;
    the frames behind it are pending.
    """

    __slots__ = (
        *("_backlog", "_close_code", "_end_code", "_episodes", "_handshake", "_held"),
        *("_began", "_held_size", "_in_flight", "_is_finished", "_counted", "_name"),
        *("_offered", "_order", "_state", "_subprotocol", "_traffic", "limits", "path"),
        *("pending", "request_id"),
    )

    def __init__(
        self,
        scope: Scope,
        limits: Configuration,
        episodes: Episodes | None = None,
        backlog: Backlog | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.path = consumers_path(scope)
        self.limits = limits
        self.request_id = request_id(scope, limits.REQUEST_ID_HEADER)
        self._offered: list[str] = list(scope.get("subprotocols", ()))
        self._subprotocol = default_subprotocol(scope)  # for a consumer that chooses none
        self._episodes = Episodes() if episodes is None else episodes
        self._backlog = Backlog() if backlog is None else backlog
        self._traffic = Traffic() if traffic is None else traffic
        self._name = ""  # its reply channel, once it has one
        self._state = CONNECTING
        self._began = 0.0  # when its handshake began, with metrics
        self._counted = ""  # the state as which the traffic counts it
        self._handshake: Content | None = connect_content(scope)  # until it is published
        if self.request_id:
            self._handshake["request_id"] = self.request_id
        #: Messages to groups with their sizes, until the handshake is answered.
        self._held: list[tuple[Content, int]] = []
        self._held_size = 0  # bytes, or characters
        self._order = -1  # of the message in flight, or of the last one
        self._in_flight: Frame | None = None  # published, and not finished by a worker
        self._end_code: int | None = None  # set when the client is gone
        self._close_code: int | None = None  # set when we closed
        self._is_finished = False  # the layer knows of the end
        self.pending = PendingFrames(self._backlog)  # for others to read

    # What others may know of it

    @property
    def is_connecting(self) -> bool:
        """Whether the handshake is not answered yet."""
        return self._state == CONNECTING

    @property
    def is_answered(self) -> bool:
        """Whether workers have answered; a socket may be accepted before that."""
        return self._state != CONNECTING

    @property
    def is_open(self) -> bool:
        """Whether the handshake was accepted, and neither side has closed since."""
        return self._state == OPEN

    @property
    def is_closed(self) -> bool:
        """Whether it was closed or refused, or its client has left."""
        return self._state == CLOSED

    @property
    def has_ended(self) -> bool:
        """Whether its client is gone."""
        return self._end_code is not None

    @property
    def has_client(self) -> bool:
        """Whether a client is there, or has not been told the end."""
        return not self.has_ended

    @property
    def is_finished(self) -> bool:
        """Whether nothing more of it goes to the layer."""
        return self._is_finished

    @property
    def patience(self) -> float:
        """How long its handshake may wait for an answer (s)."""
        return self.limits.HANDSHAKE_TIMEOUT

    def more_patience(self) -> float:
        """Return how much longer it may wait, after :attr:`patience` (s); 0 if it is late."""
        return 0.0

    @property
    def order(self) -> int:
        """The number of the message in flight, or of the last one; -1 before the handshake."""
        return self._order

    @property
    def in_flight(self) -> Publish | None:
        """The message that no worker has finished yet."""
        if self._in_flight is None:
            return None
        channel = RECEIVE if self._order else CONNECT
        return Publish(channel, self._order, self._in_flight.content)

    def fields(self, event: str, code: int | None = None) -> dict[str, str | int]:
        """Return the fields of a log line about it."""
        return fields(
            event,
            code=code,
            connection=self._name,
            path=shown(self.path),
            request_id=self.request_id or None,
        )

    # From the client

    def begin(self, name: str = "") -> Actions:
        """Publish the handshake; *name* is the reply channel."""
        self._name = name
        content, self._handshake = self._handshake, None
        if content is None or self._is_finished:
            return []
        self._count()
        self._traffic.admission.asking.add(self)
        self._order, self._in_flight = 0, Frame(content, 0, 0)
        return [Publish(CONNECT, 0, content)]

    def _count(self) -> None:
        """Count the socket, and begin to measure its handshake."""
        if not self._counted:
            self._began = 0.0 if self._traffic.now is None else self._traffic.now()
            self._count_as(CONNECTING)

    def _count_as(self, state: str) -> None:
        """Count the socket as one in *state*, "" for not at all, and no more as before."""
        sockets = self._traffic.sockets
        if self._counted:
            sockets[self._counted] -= 1
        if state:
            sockets[state] += 1
        self._counted = state

    def receive(self, event: Event) -> Actions:
        """Take a ``websocket.receive`` event."""
        key, value = "text", event.get("text")
        if value is None:
            key, value = "bytes", event.get("bytes")
            size = len(value or b"")
        else:
            size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        limits, backlog, traffic = self.limits, self._backlog, self._traffic
        traffic.frames_received += 1
        traffic.received_bytes += size
        if self._state != OPEN:
            return []
        if size > limits.FRAME_SIZE:
            return [*self._close_at_limit(FRAME_TOO_LARGE, "a frame of it has %d bytes", size)]
        is_timed = traffic.now is not None or hooks.active is not None
        content, cost = {"path": self.path, key: value}, FRAME_COST + sys.getsizeof(value)
        if self.request_id:
            content["request_id"] = self.request_id
        received = time.monotonic() if is_timed else 0.0
        frame = Frame(content, size, cost, received)
        backlog.taken += cost
        backlog.frames += 1
        has_room = backlog.taken <= limits.ALL_FRAME_BYTES_WAITING
        if has_room and self._in_flight is None and size <= limits.FRAME_BYTES_WAITING:
            self._order, self._in_flight = self._order + 1, frame
            return [Publish(RECEIVE, self._order, frame.content, received)]
        self.pending.append(frame)
        actions: Actions = [*self._too_many()]
        if not has_room:
            actions.append(MakeRoom())
        return actions

    def _too_many(self) -> ClientActions:
        """Close the socket if more is pending than its limits allow."""
        limits, pending = self.limits, self.pending
        count = len(pending.frames)
        if count <= limits.FRAMES_WAITING and pending.size <= limits.FRAME_BYTES_WAITING:
            return []
        pending.drop_newest()
        text = "%d frames of it wait for workers (FRAMES_WAITING, FRAME_BYTES_WAITING)"
        return self._close_at_limit(TOO_MANY_FRAMES, text, count - 1)

    def refuse_fragments(self, limit: int) -> ClientActions:
        """Close the socket: a message of it has more than *limit* fragments."""
        text = "a message of it has more than %d fragments"
        return self._close_at_limit(FRAME_TOO_LARGE, text, limit)

    def _close_at_limit(self, code: int, reason: str, count: int) -> ClientActions:
        text = f"Closing %s: {reason}"
        self._log(logging.WARNING, text, count, extra=self.fields("socket_closed", code))
        return self.close(code)

    def _log(self, level: int, text: str, *args: object, extra: dict[str, str | int]) -> None:
        self._episodes.log(logger, level, text, shown(self.path), *args, extra=extra)

    def end(self, code: int | None, dropped: int = 0, by: str = CLIENT) -> Actions:
        """Note that the client is gone; few of its frames, for a while, still go to workers.

        *dropped* frames were not even taken, because it had left before.
        """
        if self._end_code is None:
            self._note_end(code, by)
            counts = bound_orphans(self.pending, self.limits)
            counts["LEFT_FRAMES"] += dropped
            for setting, count in counts.items():
                self._log_dropped(count, setting)
        return self._next()

    def read_too_slowly(self, dropped: int) -> Actions:
        """End it: what its client has not read is too much."""
        extra = self.fields("socket_closed", READS_TOO_SLOWLY)
        self._log(logging.WARNING, "Closing %s: its client reads too slowly", extra=extra)
        return self.end(READS_TOO_SLOWLY, dropped, SERVER)

    def _note_end(self, code: int | None, by: str = SERVER) -> None:
        if self._end_code is not None:
            return
        self._end_code = int(self._close_code or code or ABNORMAL)  # some servers give an enum
        self._drop_held()
        if self._state == CONNECTING:
            self._traffic.note_handshake(ABANDONED if by == CLIENT else FAILED, self._began)
        elif self._state == OPEN:
            self._traffic.note_close(self._end_code, by)
        self._enter(CLOSED)

    def drop_late(self) -> Actions:
        """Drop the frames that a client left behind LEFT_TIME ago."""
        self._log_dropped(self.pending.drop_all_but(0), "LEFT_TIME")
        return self._next()

    def _log_dropped(self, count: int, setting: str) -> None:
        if count:
            text = "Dropped %d queued frames of %s, whose client has left: %s exceeded"
            arguments = text, count, shown(self.path), setting
            extra = self.fields("frames_dropped")
            self._episodes.log(logger, logging.ERROR, *arguments, extra=extra)

    def lose_frames(self) -> Actions:
        """Drop what is pending, and close the socket: all sockets together have too many frames."""
        text = "Dropped %d frames of %s: those of all sockets exceed ALL_FRAME_BYTES_WAITING"
        arguments = text, self.pending.drop_all_but(0), shown(self.path)
        extra = self.fields("socket_closed", TOO_MANY_FRAMES)
        self._episodes.log(logger, logging.WARNING, *arguments, extra=extra)
        actions = self.close(TOO_MANY_FRAMES) if self.is_open else []
        return actions + self._next()

    # From the server

    def expire(self) -> ClientActions:
        """Close it: the time that a consumer set with ``expires`` has come."""
        if self._state == CLOSED:
            return []
        extra = self.fields("token_expired", TOKEN_EXPIRED)
        self._log(logging.INFO, "Closing %s: its token has expired", extra=extra)
        return self.close(TOKEN_EXPIRED)

    def dismiss(self, reason: str) -> Actions:
        """Close it, as the server will stop; frames that it sent before still go to workers."""
        actions = self.close(SERVER_STOPS, reason)
        self._note_end(SERVER_STOPS)
        self.pending.orphan()
        return actions + self._next()

    def abort(self, code: int) -> Actions:
        """Close it, and drop what is pending: nothing more of it can go to workers."""
        outcome = REFUSED if code == SERVER_STOPS else FAILED
        return self.close(code, outcome=outcome) + self.abandon(code)

    def abandon(self, code: int) -> Actions:
        """Note that the client is gone and that nothing waits for the frames that it sent."""
        self.pending.drop_all_but(0)
        self._note_end(code)
        return self._next()

    # From the layer

    def frame_of(self, content: Content) -> SharedFrame | None:
        """Return the frame of *content* if that asks for nothing else, and the socket is open."""
        if self._state != OPEN:
            return None
        made = latest.made
        return made.frame if made.content is content else latest.make(content).frame

    def reply(self, content: Content, to_group: bool = False) -> Sequence[Action]:
        """Take what a consumer sent to the reply channel or, if *to_group*, to a group.

        While the connect consumer runs, only the reply channel answers the handshake. What goes to
        groups follows the answer.
        """
        if self._state == OPEN:
            sends = latest.sends_of(content)
            close = content.get("close")
            if close:
                if close is not True:
                    self._note_problem(content)
                return sends + self.close(close, close_reason(content))
            if "expires" in content:
                return [*deadline_of(content), *sends]
            if not sends:
                self._note_problem(content)
            return sends
        if self._state != CONNECTING:
            return []
        if to_group and self._in_flight is not None:
            return self._hold(content)
        actions = self._reply_to_handshake(content)
        return actions if self._state == CONNECTING else [*actions, *self._let_go()]

    def _hold(self, content: Content) -> ClientActions:
        """Hold a message to a group until the handshake is answered."""
        size = sum(action.length for action in latest.sends_of(content))
        limits, early = self.limits, self._backlog.early
        self._held.append((content, size))
        self._held_size += size
        early.hold(content, size)
        if len(self._held) > limits.REPLIES_WAITING or self._held_size > limits.REPLY_BYTES_WAITING:
            setting = "REPLIES_WAITING, REPLY_BYTES_WAITING"
        elif early.size > limits.ALL_REPLY_BYTES_WAITING:
            setting = "ALL_REPLY_BYTES_WAITING"
        else:
            return []
        arguments = TOO_MANY_HELD, len(self._held), setting
        self._log(logging.WARNING, *arguments, extra=self.fields("socket_refused"))
        return self._refuse()

    def _drop_held(self) -> list[Content]:
        """Forget the messages to groups that were held, and return them."""
        held, self._held, self._held_size = self._held, [], 0
        for content, size in held:
            self._backlog.early.drop(content, size)
        return [content for content, _ in held]

    def _let_go(self) -> Actions:
        """Take the messages to groups that were held."""
        return [action for content in self._drop_held() for action in self.reply(content)]

    def _reply_to_handshake(self, content: Content) -> Sequence[Action]:
        if is_refusal(content):
            self._log_refusal(content.get("why"))
            return self._refuse()
        actions = sends_of(content)
        if content.get("accept") or has_frame(content):
            subprotocol = content.get("subprotocol")
            if subprotocol and subprotocol not in self._offered:
                return self._refuse_subprotocol(subprotocol)
            actions = self._accept(subprotocol) + actions
        else:
            self._note_problem(content)
        if self._state == OPEN and content.get("close"):
            actions = actions + self.close(content["close"], close_reason(content))
        return [*deadline_of(content), *actions]

    def _note_problem(self, content: Content) -> None:
        if problem := problem_of(content):
            self._log(logging.ERROR, BAD_REPLY, problem, extra=self.fields("bad_reply"))

    def _log_refusal(self, why: Any) -> None:
        extra = self.fields("socket_refused")
        if isinstance(why, str):
            self._log(logging.WARNING, DENIED_AS, shown(why), extra=extra)
        else:
            self._log(logging.WARNING, DENIED, extra=extra)

    def _refuse_subprotocol(self, chosen: Any) -> ClientActions:
        # RFC 6455, 4.1: a client fails the connection for it, and does not say why.
        extra = self.fields("subprotocol_refused")
        lists = shown(str(chosen)), shown(", ".join(self._offered)) or "none"
        self._log(logging.ERROR, NOT_OFFERED, *lists, extra=extra)
        return self._refuse()

    def release(self, order: int) -> Actions:
        """Note that a worker has finished the message *order*."""
        frame = self._in_flight
        if order != self._order or frame is None:
            return []
        self._in_flight = None
        if order:
            self._backlog.taken -= frame.cost
            self._backlog.frames -= 1
            if frame.received:
                self._traffic.note_committed(frame.received)
        if order == 0 and self._state == CONNECTING:
            accepts = self._accept() if self.limits.CONNECT == "accept" else []
            return [*accepts, *self._let_go(), *self._next()]
        return self._next() if self.pending.frames or self._end_code is not None else []

    def withdraw(self) -> None:
        """Note that the message that was to be published last cannot be, and never was."""
        self._order -= 1
        self._drop_in_flight()

    def _drop_in_flight(self) -> None:
        if self._in_flight is not None:
            self._backlog.taken -= self._in_flight.cost
            self._backlog.frames -= self._in_flight.cost > 0  # the handshake is no frame
            self._in_flight = None

    def evict(self) -> Actions:
        """End it: the layer does not know it any more."""
        self._is_finished = True
        return self.abort(CONNECTION_LOST)

    def forget(self) -> None:
        """Count nothing of it any more: the layer knows of its end."""
        self._traffic.admission.end(self)
        self._is_finished = True
        self.pending.drop_all_but(0)
        self._drop_in_flight()
        self._count_as("")

    def time_out(self, is_local: bool = False) -> ClientActions:
        """Refuse a handshake that nobody answered in time.

        The layer *is_local* if only workers in this process could have answered.
        """
        if self._state != CONNECTING:
            return []
        reason = NO_WORKER_HERE if is_local else NO_WORKER
        if self._order == 0 and self._in_flight is None:
            reason = NO_ANSWER
        extra = self.fields("handshake_timeout")
        logger.warning(reason, shown(self.path), self.limits.HANDSHAKE_TIMEOUT, extra=extra)
        return self._refuse(TIMED_OUT)

    def _enter(self, state: str) -> None:
        self._traffic.admission.end(self)
        if self._counted:
            self._count_as(SOCKET_STATES[state])
        self._state = state

    # To the client

    def _accept(self, subprotocol: str | None = None) -> ClientActions:
        self._traffic.note_handshake(ACCEPTED, self._began)
        self._enter(OPEN)
        return [Accept(accept_event(subprotocol or self._subprotocol))]

    def _refuse(self, outcome: str = REFUSED) -> ClientActions:
        """Refuse the handshake: the server answers with HTTP 403."""
        self._traffic.note_handshake(outcome, self._began)
        self._enter(CLOSED)
        self._close_code = ABNORMAL
        self._drop_held()
        return [CloseSocket(close_event(1000))]

    def close(self, code: Any = True, reason: str = "", outcome: str = REFUSED) -> ClientActions:
        """Close the socket; True stands for 1000. A handshake is refused, with this *outcome*."""
        if self._state != OPEN:
            return self._refuse(outcome) if self._state == CONNECTING else []
        self._close_code = close_code(code)
        self._traffic.note_close(self._close_code, SERVER)
        self._enter(CLOSED)
        return [CloseSocket(close_event(self._close_code, reason))]

    # To the layer

    def proceed(self) -> Actions:
        """Go on after :class:`MakeRoom`."""
        return self._next()

    def _next(self) -> Actions:
        """Return what to do in the layer now; each step is returned once."""
        if self._is_finished:
            return []
        if self.pending.frames:
            if self._in_flight is not None:
                return []
            frame = self.pending.popleft()
            self._order, self._in_flight = self._order + 1, frame
            return [Publish(RECEIVE, self._order, frame.content, frame.received, waited=True)]
        if self._end_code is not None:
            self._is_finished = True
            return [Close(self._end_code)]
        return []
