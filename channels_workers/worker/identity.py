"""The name under which a layer knows a worker process; it may change."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

from channels_workers.layers.types import new_id

#: How many previous names of a process may still hold deliveries.
NAMES = 100

#: For how long after a heartbeat nobody can have declared the process dead (s). Others wait for
#: DEAD_AFTER, which is longer.
CERTAIN = 3.0


class Identity:
    """The name of a worker process with so many *threads*, and whether the layer knows it.

    It begins with *name*, by default a random one.

    A process that was declared dead by mistake takes a new name and goes on.
    """

    process: str
    #: The names that hold the deliveries of each thread.
    consumers: list[str]

    def __init__(self, threads: int, name: str = "") -> None:
        self._threads = threads
        self._names: deque[str] = deque(maxlen=NAMES)
        #: Set while the layer knows the process by its name. A process that pulls before that is
        #: declared dead, and its messages run again elsewhere. Set too when the process stops.
        self.known = threading.Event()
        self._alive_at = -math.inf  # monotonic seconds
        self._take(name or new_id())

    def renew(self) -> str:
        """Take a new name; return the previous one."""
        previous = self.process
        self._take(new_id())
        return previous

    def note_heartbeat(self, sent: float) -> None:
        """Note that a heartbeat, *sent* then (monotonic seconds), has found the process alive."""
        self._alive_at = sent

    def surely_holds(self, consumer: str) -> bool:
        """Say whether the deliveries of *consumer* are those of this process without doubt.

        Otherwise they may have gone to others: it has another name, or was frozen.
        """
        return consumer in self.consumers and self.is_surely_alive

    @property
    def is_surely_alive(self) -> bool:
        """Whether nobody can have declared the process dead, as a heartbeat was answered."""
        return time.monotonic() - self._alive_at < CERTAIN

    def all_consumers(self) -> list[str]:
        """Return the names of all threads, under the previous names of the process too."""
        return [consumer for name in self._names for consumer in self._consumers(name)]

    def _take(self, name: str) -> None:
        self._names.append(name)
        self.process, self.consumers = name, self._consumers(name)

    def _consumers(self, name: str) -> list[str]:
        return [f"{name}.{number}" for number in range(self._threads)]
