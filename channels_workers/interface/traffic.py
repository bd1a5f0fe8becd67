"""What passes through an interface server, in plain counts; metrics read them.

Counting costs an addition, so it is always on. Times are taken only if the project wants metrics.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from typing import Protocol

from channels_workers.interface import close_codes
from channels_workers.interface.admission import Admission
from channels_workers.layers.base import WorkerLayer

#: The states of a socket that the server knows. One that is *closing* was closed by either side,
#: and the layer does not know of its end yet. One that is *parked* waits for its client to resume.
CONNECTING, OPEN, PARKED, CLOSING = "connecting", "open", "parked", "closing"

#: How handshakes end: a worker accepts or refuses them, no worker answers in time, the client
#: leaves first, the layer fails, or too many sockets of one address are open. One is postponed if
#: too many are under way.
ACCEPTED, REFUSED, TIMED_OUT = "accepted", "refused", "timed_out"
ABANDONED, FAILED, LIMITED = "abandoned", "failed", "limited"
POSTPONED = "postponed"
OUTCOMES = (ACCEPTED, REFUSED, TIMED_OUT, ABANDONED, FAILED, LIMITED, POSTPONED)

#: Who closed a socket. A server program that refuses a frame by itself counts as the client.
CLIENT, SERVER = "client", "server"

#: The close codes that are counted by themselves: those of RFC 6455 and its registry, and ours.
#: All others count together, because clients may send any.
COUNTED_CODES = frozenset(
    (
        *(1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015),
        *(close_codes.TOO_MANY_FRAMES, close_codes.FRAME_TOO_LARGE, close_codes.READS_TOO_SLOWLY),
        *(close_codes.CONSUMER_FAILED, close_codes.CONNECTION_LOST, close_codes.SERVER_STOPS),
        close_codes.COME_BACK_LATER,
        *(close_codes.TOKEN_EXPIRED, close_codes.TOKEN_REFUSED, close_codes.REPLACED),
    )
)
OTHER = "other"
CODES = (*map(str, sorted(COUNTED_CODES)), OTHER)


class Times(Protocol):
    """Gets the times of a server (s)."""

    def handshake_ended(self, outcome: str, seconds: float) -> None:
        """Note how long a handshake took."""

    def frame_published(self, seconds: float) -> None:
        """Note how long a frame waited before it was in the layer."""

    def frame_committed(self, seconds: float) -> None:
        """Note how long it took until a worker had finished a frame, and this server knew."""

    def frame_sent(self, seconds: float) -> None:
        """Note how long a frame for a client took from its commit to the server program."""

    def request_answered(self, by: str, seconds: float) -> None:
        """Note how long a request took that was answered *by* the interface server or workers."""


class Commits:
    """When the layer made the inbox entry that this process carries out."""

    def __init__(self, layer: Callable[[], WorkerLayer]) -> None:
        self._get_layer = layer
        self._last: tuple[str, float | None] = "", None

    def latest(self) -> float | None:
        """Return that time (monotonic s of this process); None if it is not known."""
        layer = self._get_layer()
        entry = layer.inbox_entry()
        known, at = self._last
        if entry != known:
            age = layer.clock.age(entry)
            at = None if age is None else time.monotonic() - age
            self._last = entry, at
        return at


class Traffic:
    """The counts of one server since its start, and its sockets now.

    With *times*, it takes times, too; *commits* tells when what goes out was committed.
    """

    __slots__ = (
        *("admission", "closed", "commits", "frames_received", "frames_sent", "handshakes"),
        *("now", "received_bytes", "sent_bytes", "sockets", "times"),
    )

    def __init__(self, times: Times | None = None, commits: Commits | None = None) -> None:
        self.times = times
        self.commits = commits
        self.admission = Admission()
        #: The clock (monotonic s), None without metrics.
        self.now = time.monotonic if times is not None else None
        self.frames_received = self.received_bytes = 0
        self.frames_sent = self.sent_bytes = 0
        self.sockets = dict.fromkeys((CONNECTING, OPEN, PARKED, CLOSING), 0)
        self.handshakes = dict.fromkeys(OUTCOMES, 0)
        #: Sockets that were open, by their close code and who closed them.
        self.closed = dict.fromkeys(product(CODES, (CLIENT, SERVER)), 0)

    def note_handshake(self, outcome: str, began: float) -> None:
        """Count a handshake that *began* then (monotonic s), 0 if that was not noted."""
        self.handshakes[outcome] += 1
        if self.times is not None and began:
            self.times.handshake_ended(outcome, time.monotonic() - began)

    def note_close(self, code: int, by: str) -> None:
        """Count a socket that was open."""
        self.closed[str(code) if code in COUNTED_CODES else OTHER, by] += 1

    # Called with metrics only

    def committed_at(self) -> float | None:
        """Return when that was committed what goes to clients now (monotonic s), if it is known."""
        return self.commits.latest() if self.commits is not None else None

    def note_published(self, received: float) -> None:
        """Note that a frame *received* then (monotonic s) is in the layer."""
        if self.times is not None:
            self.times.frame_published(time.monotonic() - received)

    def note_committed(self, received: float) -> None:
        """Note that a worker has finished a frame *received* then (monotonic s)."""
        if self.times is not None:
            self.times.frame_committed(time.monotonic() - received)

    def note_sent(self, committed: float | None) -> None:
        """Note that the server program has a frame *committed* then (monotonic s)."""
        if self.times is not None and committed is not None:
            self.times.frame_sent(max(0.0, time.monotonic() - committed))
