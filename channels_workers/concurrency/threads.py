"""The threads that the engine starts."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django.db import connections

from channels_workers.logs import fields

logger = logging.getLogger(__name__)


class Duty(threading.Thread):
    """A daemon thread that runs *duty*; it does not delay the exit of the process.

    At its end it closes its connections to databases, which nobody else can.

    Uncaught errors are logged, because Python ignores a ``SystemExit`` in a thread.
    """

    def __init__(self, name: str, duty: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self._duty = duty

    def run(self) -> None:
        """Run the duty."""
        try:
            self._duty()
        except BaseException:
            text = "The thread %s of this process has ended; restart the process"
            logger.critical(text, self.name, exc_info=True, extra=fields("thread_ended"))
        finally:
            with suppress(Exception):  # the database notices it when the process ends
                connections.close_all()

    def ends_by(self, deadline: float) -> bool:
        """Wait for its end until *deadline* (monotonic seconds); return whether it has ended.

        A thread that was never started has.
        """
        if self.ident is not None:
            left = max(0.0, deadline - time.monotonic())
            self.join(min(left, threading.TIMEOUT_MAX))
        return not self.is_alive()
