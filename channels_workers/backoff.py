"""Growing, jittered waits between attempts, with one log line per outage."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Hashable

from django.db import InterfaceError, OperationalError

from channels_workers.exceptions import ChannelError, LayerUnavailable
from channels_workers.jitter import jittered
from channels_workers.logs import described, fields


class Backoff:
    """Attempts at *what*, with waits that grow from 0.05 s to *longest* seconds.

    *log_level* is the level for outages of the layer. Use ``DEBUG`` where another thread meets the
    same outage and logs it.
    """

    def __init__(
        self,
        logger: logging.Logger,
        what: str,
        longest: float = 5.0,
        *,
        log_level: int = logging.ERROR,
    ) -> None:
        self.logger = logger
        self.what = what
        self.longest = longest
        self.log_level = log_level
        self.failures = 0
        self._logged: set[type[Exception]] = set()

    def failed(self, error: Exception) -> float:
        """Count a failure and return how long to wait (s).

        The first error of each kind in a row of failures is logged, an unforeseen one with its
        stack trace. Foreseen are those of the layer, and of a database that is away.
        """
        if type(error) not in self._logged:
            self._log(error)
        self.failures += 1
        wait = min(self.longest, 0.05 * 2.0 ** min(self.failures - 1, 10))
        return jittered(wait, 0.5, 1.0)

    def _log(self, error: Exception) -> None:
        self._logged.add(type(error))
        extra = fields("trying_again")
        if isinstance(error, ChannelError):
            level = self.log_level if isinstance(error, LayerUnavailable) else logging.ERROR
            self.logger.log(level, "%s: %s Trying again.", self.what, error, extra=extra)
        elif isinstance(error, OperationalError | InterfaceError):
            reason = described(error).splitlines()[0]
            self.logger.error("%s: %s. Trying again.", self.what, reason, extra=extra)
        else:  # its text may quote a message
            text, kind = "%s: %s was raised. Trying again.", type(error).__name__
            self.logger.error(text, self.what, kind, exc_info=error, extra=extra)

    def succeeded(self) -> None:
        """Reset after a success, and log the end of a row of failures."""
        if self.failures:
            is_outage = all(issubclass(kind, LayerUnavailable) for kind in self._logged)
            level = min(self.log_level, logging.WARNING) if is_outage else logging.WARNING
            text = "%s: works again after %d failures."
            extra = fields("works_again")
            self.logger.log(level, text, self.what, self.failures, extra=extra)
            self.failures, self._logged = 0, set()


class BackoffEach:
    """A :class:`Backoff` for each of several things, so that one failure delays no other thing."""

    def __init__(self, logger: logging.Logger, what: str, longest: float = 5.0) -> None:
        self.logger = logger
        self.what = what
        self.longest = longest
        self._failed: dict[Hashable, tuple[Backoff, float]] = {}

    def attempt(self, thing: Hashable, action: Callable[[], object]) -> bool:
        """Do *action* for *thing* unless its wait is not over; return whether it succeeded.

        Failures are logged. Only an outage of the layer is raised, because it affects all things.
        """
        backoff, not_before = self._failed.get(thing, (None, 0.0))
        if time.monotonic() < not_before:
            return False
        try:
            action()
        except LayerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (logged; the others must have their turn)
            backoff = backoff or Backoff(self.logger, f"{self.what} {thing}", self.longest)
            self._failed[thing] = (backoff, time.monotonic() + backoff.failed(error))
            return False
        if backoff is not None:
            backoff.succeeded()
            del self._failed[thing]
        return True

    def keep(self, things: Collection[Hashable]) -> None:
        """Forget the failures of all but *things*."""
        self._failed = {thing: it for thing, it in self._failed.items() if thing in things}
