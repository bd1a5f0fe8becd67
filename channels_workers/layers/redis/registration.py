"""What a process knows of its registration in Redis; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from channels_workers.layers.redis.requests import Arguments, Request
from channels_workers.layers.types import Liveness, new_id

#: How long all have time to register again after Redis has lost its data (s); publishes, sends and
#: commits wait meanwhile.
RECOVERY_TIME = 3.0


class Registration:
    """The registration of *process*, in the life *epoch* of the data in Redis.

    *about* is what it told about itself, as JSON.
    """

    def __init__(self, process: str, epoch: str, about: str = "") -> None:
        self.process = process
        self.epoch = epoch
        self.about = about
        self.counter = 1
        self._is_described = True  # what it told is known in Redis
        self._recovering = b""  # the epoch in which all register again
        self._since = 0.0  # when this was first seen (monotonic seconds)

    def heartbeat(self, position: str = "") -> Request:
        """Return the request of a heartbeat; a server says the *position* it read its inbox to."""
        known: Arguments = [self.process, position, self.epoch, self.counter, new_id()]
        return Request("heartbeat", known, ordered=False)

    def read(self, reply: list[Any], now: float) -> Liveness:
        """Take the reply to a heartbeat."""
        heartbeat = Liveness(reply[0].decode())
        if heartbeat is Liveness.ALIVE:
            self.counter = int(reply[1])
            self._see(reply[2], now)
            self._is_described = bool(reply[3])
        elif heartbeat is Liveness.LOST:
            self._see(reply[1], now)
        return heartbeat

    def begin_again(self, epoch: str) -> None:
        """Note that the process was registered once more."""
        self.epoch, self.counter = epoch, 1

    def _see(self, recovering: bytes, now: float) -> None:
        if recovering != self._recovering:
            self._recovering, self._since = recovering, now

    def follow_up(self, now: float) -> Iterator[Request]:
        """Return the requests that a heartbeat asks for.

        One ends the time to register again, when it is over; one says again what the process told
        about itself, if that is lost.
        """
        if self._recovering and now - self._since >= RECOVERY_TIME:
            yield Request("recovered", [self._recovering], ordered=False)
        if not self._is_described and self.about:
            yield Request("describe", [self.process, self.about], ordered=False)
