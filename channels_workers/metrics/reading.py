"""Reads what may take long, in a thread of its own, for all who scrape at the same time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import LayerUnavailable
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: For how long a result is shared (s).
SHARED_FOR = 1.0

Result = TypeVar("Result")


class Look(Generic[Result]):
    """One call of *read* in a thread. *result* is None until then, and after an error."""

    def __init__(self, name: str, read: Callable[[], Result | None]) -> None:
        self.began = time.monotonic()
        self.result: Result | None = None
        self._read = read
        self.thread = Duty(f"metrics: {name}", self._look)
        self.thread.start()

    def _look(self) -> None:
        self.result = self._read()


class Reading(Generic[Result]):
    """What *read* returns, called in one thread at a time, and once a second at most.

    Its first error in a row is logged. That the layer is away is logged by others.
    """

    def __init__(self, name: str, read: Callable[[], Result]) -> None:
        self._name = name
        self._read = read
        self._lock = threading.Lock()
        self._look: Look[Result] | None = None
        self._has_failed = False

    def begin(self) -> Look[Result]:
        """Return the look that is under way or has just ended; otherwise begin one."""
        with self._lock:
            look = self._look
            is_over = look is not None and not look.thread.is_alive()
            if look is None or (is_over and time.monotonic() - look.began > SHARED_FOR):
                look = self._look = Look(self._name, self._try_to_read)
            return look

    def result(self, deadline: float) -> Result | None:
        """Return the result; None after an error, or if it is not there by *deadline*.

        *deadline* is in monotonic seconds.
        """
        look = self.begin()
        return look.result if look.thread.ends_by(deadline) else None

    def _try_to_read(self) -> Result | None:
        try:
            found = self._read()
        except LayerUnavailable:
            return None
        except Exception as error:  # noqa: BLE001  (logged)
            if not self._has_failed:
                self._has_failed = True
                text, extra = "Metrics lack %s: %s", fields("metrics_failed")
                logger.warning(text, self._name, described(error), extra=extra)
            return None
        self._has_failed = False
        return found
