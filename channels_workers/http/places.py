"""The threads of a worker process that responses may hold while they wait."""

from __future__ import annotations

import logging
import sys
import threading
from contextvars import ContextVar

from channels_workers.conf import configuration
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How long a response may wait, in all, before its thread counts as held (s).
PATIENCE = 1.0

FULL = (
    "Responses that wait hold as many threads of this worker as STREAM_THREADS allows (%d). More "
    "streams are answered 503, or cut. Put a buffering proxy in front, stream events by groups, or "
    "run more threads"
)


class Places:
    """The places for responses that hold a thread for longer than PATIENCE; thread-safe.

    Of *threads* of a process, they may hold the share ``STREAM_THREADS``, and at least one.
    """

    def __init__(self, threads: int = sys.maxsize) -> None:
        self._threads = threads
        self._held = 0
        self._is_logged = False
        self._lock = threading.Lock()

    @property
    def _count(self) -> int:
        return max(1, int(self._threads * configuration().STREAM_THREADS))

    @property
    def are_full(self) -> bool:
        """Whether no more may wait; the first time it is logged, until half of them are left."""
        with self._lock:
            return self._note_full()

    def _note_full(self) -> bool:
        is_full = self._held >= self._count
        if is_full and not self._is_logged:
            self._is_logged = True
            logger.warning(FULL, self._held, extra=fields("streams_full"))
        return is_full

    def take(self) -> bool:
        """Take one; return False if none is left."""
        with self._lock:
            if self._note_full():
                return False
            self._held += 1
            return True

    def leave(self) -> None:
        """Leave one."""
        with self._lock:
            self._held -= 1
            if self._held <= self._count / 2:
                self._is_logged = False


#: For what needs no place.
unlimited = Places()

#: Those of the process whose thread runs the consumer. Elsewhere, as in tests, nothing is limited.
current_places: ContextVar[Places] = ContextVar("channels_workers_places", default=unlimited)
