"""Finds processes that have died, and cleans up after them; any worker process does it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial

from channels_workers.backoff import Attempts, AttemptsEach
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.admin import LayerAdmin
from channels_workers.layers.liveness import DEAD_AFTER, StallDetector
from channels_workers.layers.types import NewDeadLetter
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How often to look at the heartbeat counters (s).
LOOK_INTERVAL = 1.0

#: How often to look for processes that hold messages and are not known (s).
SEARCH_INTERVAL = 10.0

#: How long it waits at most until it tries again what failed for one process (s).
LONGEST_WAIT = 60.0

NO_HEARTBEAT = f"is dead: no heartbeat for {DEAD_AFTER:g} s"
UNKNOWN = "is dead: it holds messages, and is not known"
LAGGING = "counts as dead: it does not read its inbox"


class Reaper:
    """The duty of one worker process, whose id *own* gives, in a thread of its own."""

    def __init__(self, admin: LayerAdmin, own: Callable[[], str]) -> None:
        self.admin = admin
        self.own = own
        self.detector = StallDetector()
        self._orphans: set[str] = set()
        self._searched = -math.inf
        #: One process that cannot be cleaned up after is not to hold up the others.
        self._parts = AttemptsEach(logger, "Looking for", LONGEST_WAIT)
        self._burials = AttemptsEach(logger, "Calling dead the process", LONGEST_WAIT)
        self._cleaning = AttemptsEach(logger, "Cleaning up after process", LONGEST_WAIT)
        self._ended = threading.Event()
        self.thread = Duty("reaper", self._run)

    def start(self) -> None:
        """Begin to look."""
        self.thread.start()

    def end(self) -> None:
        """Look no more, after what is under way."""
        self._ended.set()

    def stop(self, deadline: float = math.inf) -> bool:
        """End; say whether what is under way has ended by *deadline* (monotonic seconds)."""
        self.end()
        return self.thread.ends_by(deadline)

    def _run(self) -> None:
        attempts = Attempts(logger, "Looking for dead processes", LOOK_INTERVAL, is_quiet=True)
        while not self._ended.wait(LOOK_INTERVAL):
            try:
                self.look(time.monotonic())
            except Exception as error:  # noqa: BLE001  (logged; the reaper must go on)
                self._ended.wait(attempts.failed(error))
            else:
                attempts.succeeded()

    def look(self, now: float) -> None:
        """Look once; bury the dead, clean up after them and after those that others buried.

        Raises :class:`LayerUnavailable` if the layer is away; other trouble is logged.
        """
        counters = dict.fromkeys(self._orphans, 0) | self.admin.processes()
        for process, counter in self.detector.look(counters, self.own(), now).items():
            self._orphans.discard(process)
            self._mark_dead(process, counter, NO_HEARTBEAT if counter else UNKNOWN)
        self._burials.keep(counters)
        self._parts.attempt("servers that do not read", self._mark_lagging_dead)
        self._parts.attempt("what the dead left", self._clean_up_all)
        self._parts.attempt("unknown processes", lambda: self._search(now))

    def _mark_lagging_dead(self) -> None:
        for process, counter in self.admin.lagging().items():
            self._mark_dead(process, counter, LAGGING)

    def _mark_dead(self, process: str, counter: int, why: str) -> None:
        def mark_dead() -> None:
            if self.admin.mark_dead(process, counter):
                extra = fields("process_dead", process_id=process)
                logger.warning("Process %s %s", process, why, extra=extra)

        self._burials.attempt(process, mark_dead)

    def _clean_up_all(self) -> None:
        remains = self.admin.awaiting_cleanup()
        self._cleaning.keep(remains)
        for process in remains:
            if self._ended.is_set():  # another reaper goes on
                return
            self._cleaning.attempt(process, partial(self._clean_up, process))

    def _clean_up(self, process: str) -> None:
        for given_up in self.admin.clean_up(process):
            _tell_of(given_up, process)
        extra = fields("process_cleaned_up", process_id=process)
        logger.warning("Cleaned up after process %s", process, extra=extra)

    def _search(self, now: float) -> None:
        # Whom nobody knows may be about to register: the watch takes it for a counter of 0.
        if now - self._searched >= SEARCH_INTERVAL:
            self._searched = now
            self._orphans = self.admin.orphans()


def _tell_of(given_up: NewDeadLetter, process: str) -> None:
    logger.error(
        "Message %s on %s is given up: its worker died again; see `manage.py deadletters`",
        given_up.message_id,
        given_up.channel,
        extra=fields(
            "dead_letter",
            channel=given_up.channel,
            message_id=given_up.message_id,
            process_id=process,
        ),
    )
