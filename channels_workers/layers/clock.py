"""The clock of a layer, as this process sees it: how old an entry or a message is, by its token.

Redis puts its time into each id of a stream. Two hosts have two clocks, and nobody knows more than
bounds: a process asks for the time, and the answer was made somewhere between its question and its
arrival. So each age comes with the error that it may have. Only metrics need it, so the layer is
not asked before :meth:`LayerClock.keep`.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty

logger = logging.getLogger(__name__)

#: How often the layer is asked for its time (s), and how many times in a row: the first answer may
#: have needed a new connection, and the quickest one counts.
INTERVAL, QUESTIONS = 2.0, 4

#: Ids of streams have whole milliseconds, so what they say is off by up to half of one (s).
HALF_TICK = 5e-4

#: How far two clocks drift apart (s per s): crystals are off by up to 100 ppm each.
DRIFT = 2e-4


#: Matches the part of a token that tells its time.
is_time = re.compile(r"[0-9]{1,20}").fullmatch


class Reading(NamedTuple):
    """The layer's time *told* (Unix s), in answer to a question *sent* and *received* (mono. s)."""

    sent: float
    told: float
    received: float


class Skew:
    """What has to be added to our monotonic clock to get that of the layer; no I/O.

    It keeps the best reading. Its error is half of its round trip, and grows as clocks drift.
    """

    def __init__(self) -> None:
        # In one piece: a thread writes it, others read it.
        self._best: tuple[float, float, float] | None = None  # offset, error, when

    def note(self, reading: Reading) -> None:
        """Take *reading* if it is better than what is known, or shows that the clock has jumped."""
        offset = reading.told - (reading.sent + reading.received) / 2
        error = (reading.received - reading.sent) / 2
        if self._best is not None:
            known = self.error(reading.received) or 0.0
            has_jumped = abs(offset - self._best[0]) > error + known
            if error >= known and not has_jumped:
                return
        self._best = offset, error, reading.received

    def error(self, now: float) -> float | None:
        """Return by how much :meth:`layer_time` may be wrong (s); None before a reading."""
        if (best := self._best) is None:
            return None
        return best[1] + max(0.0, now - best[2]) * DRIFT

    def layer_time(self, now: float) -> float | None:
        """Return the layer's time (Unix s) at *now* (monotonic s); None before a reading."""
        return None if (best := self._best) is None else now + best[0]


class LayerClock:
    """The clock of a layer whose tokens are ids of Redis' streams: ``<milliseconds>-<number>``.

    *ask* returns the layer's time (Unix s). It blocks, and raises :class:`LayerUnavailable`.
    """

    def __init__(self, ask: Callable[[], float]) -> None:
        self._ask = ask
        self._skew = Skew()
        self._lock = threading.Lock()
        self._is_kept = False

    def keep(self) -> None:
        """Ask the layer for its time every few seconds from now on, in a thread."""
        with self._lock:
            if not self._is_kept:
                self._is_kept = True
                Duty("clock of the layer", self._keep).start()

    def _keep(self) -> None:
        attempts = Backoff(
            logger, "Reading the clock of the layer", INTERVAL, log_level=logging.DEBUG
        )
        while True:
            wait = INTERVAL
            try:
                for _ in range(QUESTIONS):
                    self.read()
            except Exception as error:  # noqa: BLE001  (logged; meanwhile the error of ages grows)
                wait = attempts.failed(error)
            else:
                attempts.succeeded()
            time.sleep(wait)

    def read(self) -> None:
        """Ask the layer for its time once; this blocks."""
        sent = time.monotonic()
        told = self._ask()
        self._skew.note(Reading(sent, told, time.monotonic()))

    def error(self) -> float | None:
        """Return by how much an age may be wrong (s); None while the clock is not known."""
        error = self._skew.error(time.monotonic())
        return None if error is None else error + HALF_TICK

    def age(self, token: str, now: float | None = None) -> float | None:
        """Return how old what has *token* is (s) at *now* (monotonic s); never below 0.

        *token* is that of a delivery, or the id of an inbox entry. None while the clock is not
        known, and for an id without a time.
        """
        layer_time = self._skew.layer_time(time.monotonic() if now is None else now)
        made, _, _ = token.partition("-")
        if layer_time is None or not is_time(made):
            return None
        return max(0.0, layer_time - int(made) / 1000 - HALF_TICK)


class OwnClock(LayerClock):
    """The clock of a layer inside this process, whose tokens begin with monotonic nanoseconds."""

    def __init__(self) -> None:
        super().__init__(time.time)

    def keep(self) -> None:
        """Do nothing: there is one clock."""

    def error(self) -> float | None:
        """Return 0."""
        return 0.0

    def age(self, token: str, now: float | None = None) -> float | None:
        """Return how old what has *token* is (s) at *now* (monotonic s)."""
        made, _, _ = token.partition("-")
        if not is_time(made):
            return None
        return max(0.0, (time.monotonic() if now is None else now) - int(made) / 1e9)
