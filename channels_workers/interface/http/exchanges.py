"""The HTTP requests of one interface server as metrics see them: plain counts, and their times."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product

from channels_workers.interface.traffic import Times
from channels_workers.interface.types import Scope

#: The key of a request's :class:`Exchange` in its scope.
EXCHANGE = "channels_workers.exchange"

#: Who answers a request.
INTERFACE, WORKERS = "interface", "workers"

#: Why the server refuses a request: too many of its address, the size of its body, that of all
#: bodies, the time that it took; no place in Django or with workers; no answer of a worker; the
#: server stops.
REASONS = (
    *("address", "body_size", "all_bodies", "body_time"),
    *("no_place", "workers_busy", "no_answer", "stopping"),
)

#: The classes of statuses, and that of a request whose client left before an answer.
NO_STATUS = "none"
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx", NO_STATUS)


class Exchange:
    """One request: the *status* of its answer, and whether it *lingers*: a stream, a poll."""

    __slots__ = ("lingers", "status")

    def __init__(self) -> None:
        self.status = 0
        self.lingers = False


class Exchanges:
    """The counts of one server since its start, and its requests under way.

    *times* gets how long they took; it is None without metrics.
    """

    def __init__(self, times: Times | None = None) -> None:
        self._times = times
        #: By who answers, and by the class of the status: ``2xx``.
        self.answered = dict.fromkeys(product((INTERFACE, WORKERS), STATUSES), 0)
        self.in_progress = {INTERFACE: 0, WORKERS: 0}
        self.refused = dict.fromkeys(REASONS, 0)

    def refuse(self, reason: str) -> None:
        """Count a request that is refused for *reason*, one of :data:`REASONS`."""
        self.refused[reason] += 1

    def begin(self, by: str) -> Callable[[Exchange], None]:
        """Count a request that begins; call the result at its end."""
        began = time.monotonic()
        self.in_progress[by] += 1

        def end(exchange: Exchange) -> None:
            self.in_progress[by] -= 1
            self.count(by, exchange.status)
            if self._times is not None and exchange.status and not exchange.lingers:
                self._times.request_answered(by, time.monotonic() - began)

        return end

    def count(self, by: str, status: int) -> None:
        """Count a request with the *status* of its answer, 0 without one."""
        self.answered[by, f"{status // 100}xx" if 100 <= status <= 599 else NO_STATUS] += 1


def note_status(scope: Scope, status: int) -> None:
    """Note the *status* that the server answers a request with by itself."""
    exchange = scope.get(EXCHANGE)
    if exchange is not None:
        exchange.status = status


def note_answer(scope: Scope, status: int, *, lingers: bool) -> None:
    """Note the *status* of an answer, 0 if none has begun, and whether it *lingers*."""
    exchange = scope.get(EXCHANGE)
    if exchange is not None:
        exchange.status, exchange.lingers = status or exchange.status, lingers
