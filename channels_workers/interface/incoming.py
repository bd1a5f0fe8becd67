"""Backpressure: how much is read of one client.

A client that sends more than workers take is not read, so TCP holds it back. Where its server does
not allow that, the limits of :class:`~channels_workers.interface.protocol.WebSocketProtocol` close
its socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from channels_workers.conf import Configuration
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.servers import parts, virtual
from channels_workers.interface.servers.daphne import gate as daphne
from channels_workers.interface.servers.daphne.server import is_of_daphne
from channels_workers.interface.servers.gate import Gate
from channels_workers.interface.servers.stalls import StallDetector, ask_for_answers
from channels_workers.interface.servers.uvicorn import gate as uvicorn
from channels_workers.interface.servers.uvicorn.server import is_of_uvicorn
from channels_workers.interface.traffic import Traffic
from channels_workers.interface.types import Event, Send, frame_size
from channels_workers.logs import fields

#: How many times FRAME_SIZE the server program itself accepts. Up to that the close code is ours;
#: larger messages it refuses by itself.
SERVERS_SIZE = 4

UNKNOWN = (
    "Clients of this %s cannot be held back, as it has no %s; one that sends more than workers "
    "take is closed with 4008 instead. Use a version that channels_workers was tested with."
)

#: How many times READ_AHEAD may be pending of a client that has left while it was held back.
LEAVING = 4


def gate_for(
    send: Send,
    limits: Configuration,
    heard: Callable[[], object],
    broken: Callable[[], object],
) -> Gate:
    """Return the gate that suits the server that *send* is of."""
    size = SERVERS_SIZE * limits.FRAME_SIZE
    if is_of_daphne(send):
        if not (missing := daphne.missing_parts(send)):
            return daphne.DaphneGate(send, size, heard, broken)
        parts.report(UNKNOWN, "Daphne", ", ".join(missing), extra=fields("server_unknown"))
    elif is_of_uvicorn(send):
        if not (missing := uvicorn.missing_parts(send)):
            return uvicorn.UvicornGate(send, size, heard, broken)
        parts.report(UNKNOWN, "uvicorn", ", ".join(missing), extra=fields("server_unknown"))
    elif (end := virtual.end_behind(send)) is not None:
        return virtual.VirtualGate(end, heard, broken)
    return Gate(heard, broken)


class Bucket:
    """A token bucket for frames: it holds *burst*, and *rate* are added each second."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._since = burst, now

    def take(self) -> bool:
        """Count a frame; say whether another may come whatever the time is."""
        self._left -= 1
        return self._left >= 1

    def wait(self, now: float) -> float:
        """Return after how many seconds another frame may come; 0 for at once.

        A client that has emptied it waits until a tenth of a second's worth is in it again.
        """
        self._left = min(self._burst, self._left + (now - self._since) * self._rate)
        self._since = now
        if self._left >= 1:
            return 0.0
        return (min(self._burst, max(1.0, self._rate / 10)) - self._left) / self._rate


class Intake:
    """How much is read of one client, by what its protocol and all sockets hold already."""

    __slots__ = (
        *("_backlog", "_bucket", "_crowded_at", "_descriptor", "_pending", "_protocol"),
        *(
            "_read_ahead",
            "_stalls",
            "_timer",
            "_traffic",
            "dropped",
            "dropped_bytes",
            "gate",
            "is_ending",
        ),
    )

    def __init__(
        self,
        gate: Gate,
        protocol: WebSocketProtocol,
        stalls: StallDetector,
        backlog: Backlog,
        traffic: Traffic | None = None,
    ) -> None:
        self.gate = gate
        #: The client has left while it was held back; frames that it sent before are still read.
        self.is_ending = False
        self.dropped = self.dropped_bytes = 0  # of these frames, those that were too many to keep
        self._protocol = protocol
        self._pending = protocol.pending
        self._stalls = stalls
        self._backlog = backlog
        self._traffic = Traffic() if traffic is None else traffic
        self._read_ahead = protocol.limits.READ_AHEAD
        self._crowded_at = protocol.limits.ALL_FRAME_BYTES_WAITING // 2
        self._bucket: Bucket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor = -1  # while the client is held back

    def count(self) -> None:
        """Count a frame that came while an earlier one was in flight."""
        limits = self._protocol.limits
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
        self.regulate()

    def regulate(self) -> None:
        """Read on, or hold the client back if more than it may have waits for workers."""
        gate = self.gate
        if not gate.can_hold:
            return
        read_ahead = 0 if self._backlog.taken > self._crowded_at else self._read_ahead
        if gate.is_held or self._timer is not None or self._pending.cost > read_ahead:
            self._hold_or_let_go(read_ahead)
        if gate.rest or gate.is_paused:
            gate.go_on()

    def _hold_or_let_go(self, read_ahead: int) -> None:
        cost = self._pending.cost
        if self.is_ending or not self._protocol.is_open:
            self._let_go()
        elif self._timer is not None or cost > read_ahead:
            self._hold()
        elif cost <= read_ahead // 2:
            self._let_go()

    def _hold(self) -> None:
        if not self.gate.is_held:
            is_first = self._descriptor < 0
            self._descriptor = self.gate.descriptor()
            if is_first:
                ask_for_answers(self._descriptor)
            self._stalls.add(self._descriptor, self._note_end)
        self.gate.hold()

    def _let_go(self) -> None:
        if self.gate.is_held:
            self._stalls.discard(self._descriptor, self._note_end)
            self.gate.let_go()

    def _note_end(self) -> None:
        self.is_ending = True
        self.regulate()

    def drops(self, event: Event) -> bool:
        """Say whether a frame is dropped: its client has left, and enough of it is pending."""
        pending, limits = self._pending, self._protocol.limits
        has_room = pending.cost < LEAVING * limits.READ_AHEAD
        if not self.is_ending or (len(pending.frames) < limits.LEFT_FRAMES and has_room):
            return False
        self.dropped += 1
        self.dropped_bytes += (size := frame_size(event))
        self._traffic.frames_received += 1
        self._traffic.received_bytes += size
        return True

    def end(self) -> None:
        """Note that the client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._stalls.discard(self._descriptor, self._note_end)
        self.gate.end()
