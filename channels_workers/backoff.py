"""Growing, jittered waits between attempts, with one log line per outage."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Hashable

from channels_workers.exceptions import ChannelError, LayerUnavailable
from channels_workers.logs import fields


class Attempts:
    """A row of attempts at *what*; the waits grow from 0.05 s to *longest* seconds.

    One that *is_quiet* logs outages at the level DEBUG, as others tell of them.
    """

    def __init__(
        self, logger: logging.Logger, what: str, longest: float = 5.0, *, is_quiet: bool = False
    ) -> None:
        self.logger = logger
        self.what = what
        self.longest = longest
        self.is_quiet = is_quiet
        self.failures = 0
        self._told: set[type[Exception]] = set()

    def failed(self, error: Exception) -> float:
        """Note a failure; return how many seconds to wait.

        The first of each kind in a row is logged: what was not foreseen with its stack trace.
        """
        if type(error) not in self._told:
            self._tell(error)
        self.failures += 1
        wait = min(self.longest, 0.05 * 2.0 ** min(self.failures - 1, 10))
        return wait * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)

    def _tell(self, error: Exception) -> None:
        self._told.add(type(error))
        extra = fields("trying_again")
        if isinstance(error, ChannelError):
            is_quiet = self.is_quiet and isinstance(error, LayerUnavailable)
            level = logging.DEBUG if is_quiet else logging.ERROR
            self.logger.log(level, "%s: %s Trying again.", self.what, error, extra=extra)
        else:  # its text may hold what anybody said
            text, kind = "%s: %s was raised. Trying again.", type(error).__name__
            self.logger.error(text, self.what, kind, exc_info=error, extra=extra)

    def succeeded(self) -> None:
        """Note a success; log it when it ends a row of failures that was logged."""
        if self.failures:
            is_quiet = self.is_quiet and all(issubclass(it, LayerUnavailable) for it in self._told)
            level = logging.DEBUG if is_quiet else logging.WARNING
            text = "%s: works again after %d failures."
            extra = fields("works_again")
            self.logger.log(level, text, self.what, self.failures, extra=extra)
            self.failures, self._told = 0, set()


class AttemptsEach:
    """A row of attempts at *what* for each of several things, so that none holds up the others."""

    def __init__(self, logger: logging.Logger, what: str, longest: float = 5.0) -> None:
        self.logger = logger
        self.what = what
        self.longest = longest
        self._failed: dict[Hashable, tuple[Attempts, float]] = {}

    def attempt(self, thing: Hashable, action: Callable[[], object]) -> bool:
        """Do *action* for *thing*, unless it failed a moment ago; say whether it is done.

        What goes wrong is logged, but for an outage of the layer, which is raised: it meets all.
        """
        attempts, not_before = self._failed.get(thing, (None, 0.0))
        if time.monotonic() < not_before:
            return False
        try:
            action()
        except LayerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (logged; the others are to have their turn)
            attempts = attempts or Attempts(self.logger, f"{self.what} {thing}", self.longest)
            self._failed[thing] = (attempts, time.monotonic() + attempts.failed(error))
            return False
        if attempts is not None:
            attempts.succeeded()
            del self._failed[thing]
        return True

    def keep(self, things: Collection[Hashable]) -> None:
        """Forget what failed for others than *things*."""
        self._failed = {thing: it for thing, it in self._failed.items() if thing in things}
