"""People who load pages all the time, and count what fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

from labs.rehearsal.guest import Guest
from labs.rehearsal.router import Router

#: How long a reader waits before the next page (s).
PAUSE = 0.05

PAGE = "/lobby/"


@dataclass
class Read:
    """*failures* counts other answers than 200 by their status. *slowest* is in s."""

    pages: int = 0
    slowest: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> str:
        """The text of its cell in the table."""
        failed = self.failures.total()
        return f"{self.pages} pages: {failed} failed; the slowest took {self.slowest:.1f} s"

    def load(self, router: Router) -> None:
        """Load pages until told to stop. Nothing is tried again."""
        guest = Guest(router)
        while not self._ended.wait(PAUSE):
            since = time.monotonic()
            try:
                status = str(guest.get(PAGE).status)
            except (OSError, HTTPException) as error:
                status = type(error).__name__
            self._count(status, time.monotonic() - since)

    def _count(self, status: str, seconds: float) -> None:
        with self._lock:
            self.pages += 1
            self.slowest = max(self.slowest, seconds)
            self.failures += Counter({status: status != "200"})

    def end(self) -> None:
        """Stop loading."""
        self._ended.set()


@contextmanager
def readers(router: Router, count: int) -> Iterator[Read]:
    """Let *count* people load pages during the block."""
    read = Read()
    threads = [threading.Thread(target=read.load, args=(router,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield read
    finally:
        read.end()
        for thread in threads:
            thread.join(timeout=300)
