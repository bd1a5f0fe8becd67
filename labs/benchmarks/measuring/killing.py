"""Kills workers while a load runs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from labs.benchmarks.load.report import Report
from labs.harness.processes import Process
from labs.harness.site import WORKER_READY, Site

#: How long the sockets have to open before the first kill (s).
OPENING = 5.0


class Killer:
    """Kills the oldest worker of *site* again and again, and starts another one in its place.

    The last worker that listens is let live, and those that do not yet: so a busy machine has fewer
    kills.
    """

    def __init__(self, site: Site, per_minute: float, opening: float = OPENING) -> None:
        self.site = site
        self.times: list[float] = []  # of time.time()
        self._pause, self._opening = 60 / per_minute, opening
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        self._ended.wait(self._opening)
        while not self._ended.wait(self._pause):
            listening = [worker for worker in self.site.workers if _listens(worker)]
            if len(listening) > 1:
                victim = listening[0]
                self.times.append(time.time())
                victim.signal(signal.SIGKILL)
                victim.wait()
                self.site.replace_dead_workers()

    def report(self, report: Report) -> None:
        """Add how many were killed per minute of the measurement to *report*."""
        begin, end = report.window
        killed = sum(begin <= at < end for at in self.times)
        report.figures["kills_per_minute"] = killed / (end - begin) * 60


@contextmanager
def killing(site: Site, per_minute: float) -> Iterator[Killer | None]:
    """Kill so many workers during the block, if any."""
    if not per_minute:
        yield None
        return
    with Killer(site, per_minute) as killer:
        yield killer


def _listens(worker: Process) -> bool:
    try:
        worker.wait_for_line(WORKER_READY, 0)
    except AssertionError:
        return False
    return True
