"""Growing, jittered waits between attempts, with one log line per outage."""

from __future__ import annotations

import logging
import random

from channels_workers.logs import fields


class Attempts:
    """A row of attempts at *what*; the waits grow from 0.05 s to *longest* seconds.

    One that *is_quiet* logs at the level DEBUG.
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
        """Note a failure, log the first of each kind in a row; return how many seconds to wait."""
        if type(error) not in self._told:
            self._told.add(type(error))
            level = logging.DEBUG if self.is_quiet else logging.ERROR
            text = "%s: %s Trying again."
            self.logger.log(level, text, self.what, error, extra=fields("trying_again"))
        self.failures += 1
        wait = min(self.longest, 0.05 * 2.0 ** min(self.failures - 1, 10))
        return wait * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)

    def succeeded(self) -> None:
        """Note a success; log it when it ends a row of failures."""
        if self.failures:
            level = logging.DEBUG if self.is_quiet else logging.WARNING
            text = "%s: works again after %d failures."
            extra = fields("works_again")
            self.logger.log(level, text, self.what, self.failures, extra=extra)
            self.failures, self._told = 0, set()
