"""Kills workers while a load runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from labs.harness.site import Site


@contextmanager
def killing(site: Site, per_minute: float) -> Iterator[None]:
    """Kill the oldest worker of *site* again and again during the block, and start another one."""
    if not per_minute:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_kill, args=(site, 60 / per_minute, ended), name="killing")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _kill(site: Site, pause: float, ended: threading.Event) -> None:
    while not ended.wait(pause):
        victim = site.workers[0]
        victim.signal(signal.SIGKILL)
        victim.wait()
        site.replace_dead_workers()
