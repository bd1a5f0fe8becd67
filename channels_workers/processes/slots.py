"""The places of worker processes: each holds one, and briefly two while one replaces the other."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from channels_workers.processes.child import Child

#: How many failed starts in a row, in each place, show that no process can start.
ATTEMPTS = 3

#: The longest pause before another start (s). The first is 1 s, each further one twice as long.
LONGEST_PAUSE = 30.0

#: A process that ends after it was ready for less than this (s) has failed, too: a pause follows.
SETTLED = 30.0


@dataclass
class Slot:
    """The place of the worker process *number*."""

    number: int
    child: Child | None = None
    #: Takes the place of *child* once it is ready.
    successor: Child | None = None
    #: How many starts in a row have failed.
    failed_starts: int = 0
    #: When the next process may start (monotonic seconds).
    start_at: float = field(default_factory=time.monotonic)
    _failures: int = 0

    def __str__(self) -> str:
        return f"Worker process {self.number}"

    @property
    def children(self) -> list[Child]:
        """The processes of this place."""
        return [child for child in (self.child, self.successor) if child is not None]

    def note_ready(self) -> None:
        """Note that a process has become ready here."""
        self.failed_starts = 0

    def note_failed_start(self) -> float:
        """Note that a process has failed to start; return the pause before the next one (s)."""
        self.failed_starts += 1
        return self._pause()

    def note_end(self, child: Child) -> float:
        """Note the end of *child*; return the pause before the next one (s)."""
        if not child.is_ready:
            return self.note_failed_start()
        if time.monotonic() - child.began < SETTLED:
            return self._pause()
        self._failures = 0
        self.start_at = time.monotonic()
        return 0.0

    def _pause(self) -> float:
        pause = min(LONGEST_PAUSE, 2.0**self._failures)
        self._failures += 1
        self.start_at = time.monotonic() + pause
        return pause
