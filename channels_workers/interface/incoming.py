"""How much is read of one client: what workers keep up with.

A client that sends more is not read on, so TCP holds it back. Where its server does not allow that,
the limits of :class:`~channels_workers.interface.protocol.Connection` close its socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from channels_workers.conf import Configuration
from channels_workers.interface.outgoing import SendEvent
from channels_workers.interface.protocol import OPEN, Connection, Event, frame_size
from channels_workers.interface.servers import daphne, uvicorn
from channels_workers.interface.servers.gate import Gate
from channels_workers.interface.servers.watch import Watch, ask_for_answers
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How many times FRAME_SIZE a message may have for its server, which ends what is larger by itself.
#: Up to that the close code is ours.
SERVERS_SIZE = 4

UNKNOWN = (
    "Clients of this %s cannot be held back, as it has no %s; one that sends more than workers "
    "take is closed with 4008 instead. Use a version that channels_workers was tested with."
)

#: How many times READ_AHEAD is kept of a client that has left while it was held back.
LEAVING = 4

_reported: set[str] = set()


def gate_for(
    send: SendEvent,
    limits: Configuration,
    heard: Callable[[], object],
    broken: Callable[[], object],
) -> Gate:
    """Return the gate that suits the server that *send* is of."""
    size = SERVERS_SIZE * limits.FRAME_SIZE
    if daphne.is_of_daphne(send):
        if not (missing := daphne.missing_parts(send)):
            return daphne.DaphneGate(send, size, heard, broken)
        _report("Daphne", missing)
    elif uvicorn.is_of_uvicorn(send):
        if not (missing := uvicorn.missing_parts(send)):
            return uvicorn.UvicornGate(send, size, heard, broken)
        _report("uvicorn", missing)
    return Gate(heard, broken)


def _report(server: str, missing: list[str]) -> None:
    if server not in _reported:
        _reported.add(server)
        extra = fields("server_unknown")
        logger.warning(UNKNOWN, server, ", ".join(missing), extra=extra)


class Bucket:
    """How many frames may come; it holds *burst*, and fills by *rate* a second."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._since = burst, now

    def take(self) -> bool:
        """Note a frame; say whether another may come without a look at the time."""
        self._left -= 1
        return self._left >= 1

    def wait(self, now: float) -> float:
        """Return in how many seconds another frame may come; 0 for at once.

        Who has emptied it waits for a tenth of a second's worth, not for each single frame.
        """
        self._left = min(self._burst, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left >= 1:
            return 0.0
        return (min(self._burst, max(1.0, self._rate / 10)) - self._left) / self._rate


class Intake:
    """What is read of one client. *go_on* is called when more may be read than could be before."""

    __slots__ = (
        *("_bucket", "_descriptor", "_timer", "connection", "dropped", "dropped_bytes"),
        *("gate", "go_on", "is_ending", "watch"),
    )

    def __init__(
        self,
        gate: Gate,
        connection: Connection,
        watch: Watch,
        go_on: Callable[[], object],
    ) -> None:
        self.gate = gate
        self.connection = connection
        self.watch = watch
        self.go_on = go_on
        #: The client has left while it was held back; what it sent before is read to its end.
        self.is_ending = False
        self.dropped = self.dropped_bytes = 0  # of that, what was too much to keep
        self._bucket: Bucket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor = -1  # while it is held back

    def count(self) -> None:
        """Note a frame that came while an earlier one was under way."""
        limits = self.connection.limits
        if not (limits.FRAME_RATE and self.gate.can_hold) or self.is_ending:
            return
        if self._bucket is None:
            now = asyncio.get_running_loop().time()
            self._bucket = Bucket(limits.FRAME_RATE, limits.FRAME_BURST, now)
        if not self._bucket.take() and self._timer is None:
            self._wait_for_bucket()

    def _wait_for_bucket(self) -> None:
        assert self._bucket is not None  # noqa: S101  (for the type checker)
        loop = asyncio.get_running_loop()
        self._timer = None
        if seconds := self._bucket.wait(loop.time()):
            self._timer = loop.call_later(seconds, self._look_again)

    def _look_again(self) -> None:
        self._wait_for_bucket()
        self.go_on()

    def regulate(self, read_ahead: int) -> None:
        """Read on, or hold the client back if more than *read_ahead* waits for workers."""
        gate = self.gate
        if not gate.can_hold:
            return
        ahead = self.connection.ahead
        if self.is_ending or self.connection.state != OPEN:
            self._let_go()
        elif self._timer is not None or ahead > read_ahead:
            self._hold()
        elif gate.is_held and ahead <= read_ahead // 2:
            self._let_go()
        gate.go_on()

    def _hold(self) -> None:
        if not self.gate.is_held:
            is_first = self._descriptor < 0
            self._descriptor = self.gate.descriptor()
            if is_first:
                ask_for_answers(self._descriptor)
            self.watch.add(self._descriptor, self._note_end)
        self.gate.hold()

    def _let_go(self) -> None:
        if self.gate.is_held:
            self.watch.discard(self._descriptor, self._note_end)
            self.gate.let_go()

    def _note_end(self) -> None:
        self.is_ending = True
        self.go_on()

    def drops(self, event: Event) -> bool:
        """Say whether a frame is dropped: its client has left, and enough of it waits already."""
        connection, limits = self.connection, self.connection.limits
        has_room = connection.ahead < LEAVING * limits.READ_AHEAD
        if not self.is_ending or (connection.waiting < limits.LEFT_FRAMES and has_room):
            return False
        self.dropped += 1
        self.dropped_bytes += frame_size(event.get("text"), event.get("bytes"))
        return True

    def end(self) -> None:
        """Note that the client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self.watch.discard(self._descriptor, self._note_end)
        self.gate.end()
