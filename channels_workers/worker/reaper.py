"""Finds dead processes and cleans up after them; every worker process does this."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial

from channels_workers import recorder
from channels_workers.backoff import Backoff, BackoffEach
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.admin import LayerAdmin
from channels_workers.layers.liveness import DEAD_AFTER, CutDetector, StallDetector
from channels_workers.layers.types import NewDeadLetter
from channels_workers.logs import fields
from channels_workers.worker.commit import note_dead_letter

logger = logging.getLogger(__name__)

#: The intervals of looks at the lifelines, also while one is cut, and at the counters (s).
BLINK_INTERVAL, SUSPECT_INTERVAL, LOOK_INTERVAL = 0.2, 0.1, 1.0

#: The interval of searches for unknown processes that hold messages (s).
SEARCH_INTERVAL = 10.0

#: The longest wait after a failure for one process (s).
LONGEST_WAIT = 60.0

NO_HEARTBEAT = f"is dead: no heartbeat for {DEAD_AFTER:g} s"
UNKNOWN = "is dead: it holds messages and is not registered"
CUT_OFF = "is dead: its connections were closed"
LAGGING = "counts as dead: it does not keep up with its inbox"


class _Repeated:
    """An *action* that is done again and again, and after a failure a little later."""

    def __init__(self, what: str, action: Callable[[float], None]) -> None:
        self.action = action
        # Heartbeats meet the same outages, and log them.
        self._attempts = Backoff(logger, what, LOOK_INTERVAL, log_level=logging.DEBUG)
        self._due = -math.inf

    def do_if_due(self, interval: float) -> None:
        """Do it, if *interval* seconds have gone by since the last time."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + interval
        try:
            self.action(now)
        except Exception as error:  # noqa: BLE001  (logged; the reaper must go on)
            self._due = now + max(interval, self._attempts.failed(error))
        else:
            self._attempts.succeeded()


class Reaper:
    """The thread of one worker process that looks for dead ones; *own* returns its name."""

    def __init__(self, admin: LayerAdmin, own: Callable[[], str]) -> None:
        self.admin = admin
        self.own = own
        self.detector = StallDetector()
        self.cut_detector = CutDetector()
        self._orphans: set[str] = set()
        self._searched = -math.inf
        # Trouble with one process must not delay the others.
        self._parts = BackoffEach(logger, "Looking for", LONGEST_WAIT)
        self._declaring = BackoffEach(logger, "Declaring dead process", LONGEST_WAIT)
        self._cleaning = BackoffEach(logger, "Cleaning up after process", LONGEST_WAIT)
        self._ended = threading.Event()
        self.thread = Duty("reaper", self._run)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def end(self) -> None:
        """Stop after the process that is being cleaned up."""
        self._ended.set()

    def stop(self, deadline: float = math.inf) -> bool:
        """Stop; return whether the thread ended by *deadline* (monotonic seconds)."""
        self.end()
        return self.thread.ends_by(deadline)

    def _run(self) -> None:
        # Who may not see lifelines still has to look at the counters.
        blinks = _Repeated("Looking at lifelines", self.blink)
        looks = _Repeated("Looking for dead processes", self.look)
        interval = BLINK_INTERVAL
        while not self._ended.wait(interval):
            blinks.do_if_due(interval)
            looks.do_if_due(LOOK_INTERVAL)
            interval = SUSPECT_INTERVAL if self.cut_detector.suspects else BLINK_INTERVAL

    def blink(self, now: float) -> None:
        """Look only at the lifelines. Clean up at once after those whose lifelines are cut.

        Raises as :meth:`look` does.
        """
        found = self.cut_detector.look(self.admin.cut_off(), self.own(), now)
        for process, counter in found.items():
            self._mark_dead(process, counter, CUT_OFF, is_cut_off=True)
        if found:
            self._parts.attempt("dead processes", self._clean_up_all)

    def look(self, now: float) -> None:
        """Look once: declare processes dead, and clean up after all that are.

        Raises :class:`LayerUnavailable` if the layer is unavailable; other errors are logged.
        """
        counters = dict.fromkeys(self._orphans, 0) | self.admin.processes()
        for process, counter in self.detector.look(counters, self.own(), now).items():
            self._orphans.discard(process)
            self._mark_dead(process, counter, NO_HEARTBEAT if counter else UNKNOWN)
        self._declaring.keep(counters)
        self._parts.attempt("lagging servers", self._mark_lagging_dead)
        self._parts.attempt("dead processes", self._clean_up_all)
        self._parts.attempt("unknown processes", lambda: self._search(now))

    def _mark_lagging_dead(self) -> None:
        for process, counter in self.admin.lagging().items():
            self._mark_dead(process, counter, LAGGING)

    def _mark_dead(self, process: str, counter: int, why: str, *, is_cut_off: bool = False) -> None:
        def mark_dead() -> None:
            found = recorder.current()
            role = self.admin.kind_of(process) if found else ""
            if self.admin.mark_dead(process, counter, is_cut_off=is_cut_off):
                if found is not None:
                    found.worker.declared_dead(role)
                extra = fields("process_dead", process_id=process)
                logger.warning("Process %s %s", process, why, extra=extra)

        self._declaring.attempt(process, mark_dead)

    def _clean_up_all(self) -> None:
        dead = self.admin.awaiting_cleanup()
        self._cleaning.keep(dead)
        for process in dead:
            if self._ended.is_set():  # another reaper goes on
                return
            self._cleaning.attempt(process, partial(self._clean_up, process))

    def _clean_up(self, process: str) -> None:
        for letter in self.admin.clean_up(process):
            _log_dead_letter(letter, process)
        extra = fields("process_cleaned_up", process_id=process)
        logger.warning("Cleaned up after process %s", process, extra=extra)

    def _search(self, now: float) -> None:
        # An unknown process may be about to register: the detector takes it for a counter of 0.
        if now - self._searched >= SEARCH_INTERVAL:
            self._searched = now
            self._orphans = self.admin.orphans()


def _log_dead_letter(letter: NewDeadLetter, process: str) -> None:
    note_dead_letter(letter.channel)
    logger.error(
        "Message %s on %s is a dead letter now: its worker died; see `manage.py deadletters`",
        letter.message_id,
        letter.channel,
        extra=fields(
            "dead_letter",
            channel=letter.channel,
            message_id=letter.message_id,
            process_id=process,
        ),
    )
