"""A WebSocket whose first frame is its token: accepted at once, and unknown to workers until then.

Its ``websocket.connect`` is published when the token has come, and carries it. Until its consumer
has answered, further frames are pending. A refusal closes it with 4021, as there is no HTTP status
any more.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

from channels_workers.bearer import wire
from channels_workers.bearer.configuration import TokenSettings
from channels_workers.conf import Configuration
from channels_workers.interface.actions import (
    Accept,
    Action,
    Actions,
    ClientActions,
    CloseSocket,
    MakeRoom,
    SendFrame,
)
from channels_workers.interface.backlog import Backlog, Frame
from channels_workers.interface.close_codes import (
    COME_BACK_LATER,
    FRAME_TOO_LARGE,
    TOKEN_REFUSED,
)
from channels_workers.interface.protocol import CLOSED, FRAME_COST, WebSocketProtocol
from channels_workers.interface.replies import close_code
from channels_workers.interface.traffic import (
    ACCEPTED,
    CONNECTING,
    OPEN,
    POSTPONED,
    REFUSED,
    TIMED_OUT,
    Traffic,
)
from channels_workers.interface.types import Event, Scope, accept_event, close_event, frame_size
from channels_workers.layers.codec import Content
from channels_workers.log_limits import Episodes
from channels_workers.logs import shown

NOTHING_CAME = "Closing %s: it sent no token within %g s (FIRST_FRAME_TIMEOUT)"
OTHER_FRAME = "Closing %s: its first frame is not a token"
TOO_LATE = (
    "The connect consumer of %s accepts with the subprotocol %s. The socket was accepted with %s, "
    "before its token came, so that is too late."
)


class FirstFrameProtocol(WebSocketProtocol):
    """A :class:`WebSocketProtocol` that accepts its socket first, and then waits for a token."""

    __slots__ = ("_expires", "_is_waiting", "_settings", "_was_extended")

    def __init__(
        self,
        scope: Scope,
        limits: Configuration,
        episodes: Episodes | None,
        backlog: Backlog | None,
        settings: TokenSettings,
        traffic: Traffic | None = None,
    ) -> None:
        super().__init__(scope, limits, episodes, backlog, traffic)
        self._settings = settings
        self._is_waiting = True  # for the token
        self._was_extended = False
        self._expires: float | None = None
        self._subprotocol = wire.SUBPROTOCOL if wire.SUBPROTOCOL in self._offered else None

    @property
    def is_connecting(self) -> bool:
        """False: the handshake is answered from the beginning."""
        return False

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed."""
        return self.state != CLOSED

    @property
    def patience(self) -> float:
        """How long its token may take (s)."""
        return self._settings.FIRST_FRAME_TIMEOUT

    def more_patience(self) -> float:
        """Return the time that the connect consumer has once the token has come (s)."""
        if self._is_waiting or self._was_extended:
            return 0.0
        self._was_extended = True
        return self.limits.HANDSHAKE_TIMEOUT

    # From the client

    def begin(self, name: str = "") -> Actions:
        """Accept the socket; *name* is the reply channel."""
        self._name = name
        self._count()
        return [Accept(accept_event(self._subprotocol))]

    def receive(self, event: Event) -> Actions:
        """Take a ``websocket.receive`` event: the first one is the token."""
        if self.state != CONNECTING:
            return super().receive(event)
        if not self._is_waiting:
            return self._keep(event)
        token = wire.of_frame(event.get("text"), self._settings.TOKEN_SIZE)
        if not token:
            self._log(logging.WARNING, OTHER_FRAME, extra=self.fields("socket_refused"))
            return [*self._refuse()]
        if seconds := self._traffic.admission.refuse():
            return [*self.close(COME_BACK_LATER, f"retry-after: {seconds}", POSTPONED)]
        self._is_waiting = False
        assert self._handshake is not None  # noqa: S101  (for the type checker)
        self._handshake["token"] = token
        return super().begin(self._name)

    def _keep(self, event: Event) -> Actions:
        """Let a frame wait until the connect consumer has answered."""
        key = "bytes" if event.get("text") is None else "text"
        size, value = frame_size(event), event.get(key) or ("" if key == "text" else b"")
        if size > self.limits.FRAME_SIZE:
            return [*self._close_at_limit(FRAME_TOO_LARGE, "a frame of it has %d bytes", size)]
        frame = Frame({"path": self.path, key: value}, size, FRAME_COST + sys.getsizeof(value))
        self._backlog.taken += frame.cost
        self.pending.append(frame)
        has_room = self._backlog.taken <= self.limits.ALL_FRAME_BYTES_WAITING
        return [*self._too_many(), *([] if has_room else [MakeRoom()])]

    # From the layer

    def reply(self, content: Content, to_group: bool = False) -> Sequence[Action]:
        """Take what a consumer sent to the reply channel or, if *to_group*, to a group."""
        if self.state != CONNECTING:
            return super().reply(content, to_group)
        if isinstance(content.get("expires"), int | float):
            self._expires = content["expires"]
        actions = super().reply(content, to_group)
        return [*actions, *self._next()] if self.state == OPEN else actions

    def time_out(self, is_local: bool = False) -> ClientActions:
        """Close the socket: its token, or the answer of its consumer, did not come in time."""
        if not self._is_waiting or self.state != CONNECTING:
            return super().time_out(is_local)
        limit = self._settings.FIRST_FRAME_TIMEOUT
        self._log(logging.WARNING, NOTHING_CAME, limit, extra=self.fields("socket_refused"))
        return self._refuse(TIMED_OUT)

    # To the client

    def _accept(self, subprotocol: str | None = None) -> ClientActions:
        """Tell the client that its token is accepted."""
        self._traffic.note_handshake(ACCEPTED, self._began)
        self._enter(OPEN)
        if subprotocol and subprotocol != self._subprotocol:
            lists = shown(subprotocol), self._subprotocol or "none"
            self._log(logging.ERROR, TOO_LATE, *lists, extra=self.fields("bad_reply"))
        text = wire.acknowledgement(self._expires, time.time())
        return [SendFrame({"type": "websocket.send", "text": text}, len(text))]

    def _refuse(self, outcome: str = REFUSED) -> ClientActions:
        return self.close(TOKEN_REFUSED, outcome=outcome)

    def close(self, code: Any = True, reason: str = "", outcome: str = REFUSED) -> ClientActions:
        """Close the socket; True stands for 1000. Without a token it counts as this *outcome*."""
        if self.state != CONNECTING:
            return super().close(code, reason, outcome)
        self._traffic.note_handshake(outcome, self._began)
        self._enter(CLOSED)
        self._close_code = close_code(code)
        self._drop_held()
        self.pending.drop_all_but(0)
        return [CloseSocket(close_event(self._close_code, reason))]

    # To the layer

    def _next(self) -> Actions:
        is_early = self.state == CONNECTING and self._end_code is None
        return [] if is_early else super()._next()
