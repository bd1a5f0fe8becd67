"""The bound on the handshakes under way in one server, and when refused clients should come back.

After the end of a server its clients come back all at once, faster than workers can answer. Without
a bound each would wait for longer than it wants to, and the work for those who have given up would
hold up the others. With it, the server answers as many as it can, and refuses the rest at once.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from channels_workers.conf import configuration
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: A crowd is over after so long without a refusal (s).
CALM = 5.0

#: How long the pace of answers is measured before it counts (s).
MEASURED = 1.0

#: The longest time that a client is told to stay away (s).
LONGEST = 15

CROWDED = (
    "%d handshakes are under way in this server, its limit (HANDSHAKES_AT_ONCE). More are refused "
    "for now, and their clients are told when to come back. If this lasts, add workers"
)


class Pace:
    """How many handshakes workers answer a second, while clients crowd in."""

    def __init__(self) -> None:
        self.answered = 0  # by now
        self._per_second = 0.0
        self._since, self._before = 0.0, 0

    def begin(self, now: float, guess: float) -> None:
        """Measure from *now* on; until then *guess* counts."""
        self._per_second = guess
        self._since, self._before = now, self.answered

    def read(self, now: float) -> float:
        """Return the pace, at least one a second."""
        took = now - self._since
        if took >= MEASURED:
            self.begin(now, (self.answered - self._before) / took)
        return max(1.0, self._per_second)


class Admission:
    """Counts the handshakes under way, and gives a time to come back to those over the limit.

    The times follow the pace of the answers, one client after the other. So those who were refused
    come back as fast as workers can answer them, and not all at once.
    """

    def __init__(self) -> None:
        self.clock = time.monotonic
        #: Handshakes that are not published yet: they wait for the layer.
        self.opening = 0
        #: Sockets whose connect or resume message is published, and not answered.
        self.asking: set[Hashable] = set()
        self._pace = Pace()
        self._last = -math.inf  # when one was refused (monotonic s)
        self._next = 0.0  # when the next one should come back (monotonic s)

    @property
    def under_way(self) -> int:
        """How many handshakes are under way."""
        return self.opening + len(self.asking)

    @contextmanager
    def opens(self) -> Iterator[None]:
        """Count a handshake that is not published yet, for the block."""
        self.opening += 1
        try:
            yield
        finally:
            self.opening -= 1

    def end(self, asking: Hashable) -> None:
        """Note that a socket asks no more: it is answered, or its client has left."""
        if asking in self.asking:
            self.asking.discard(asking)
            self._pace.answered += 1

    def refuse(self) -> int:
        """Return after how many seconds to come back if there is no room, else 0."""
        limit = configuration().HANDSHAKES_AT_ONCE
        if not limit or self.under_way < limit:
            return 0
        now = self.clock()
        if now - self._last > CALM:
            self._pace.begin(now, limit)
            logger.warning(CROWDED, limit, extra=fields("handshakes_full"))
        self._last = now
        self._next = min(max(self._next, now) + 1 / self._pace.read(now), now + LONGEST)
        return min(LONGEST, math.ceil(self._next - now))
