"""Unreadable data from a layer: counted, and logged once per episode."""

from __future__ import annotations

import logging
import math
import time

from channels_workers.layers.types import Unreadable

#: How long after a log line further data is only counted (s).
EPISODE = 60.0


class Aside:
    """Counts unreadable data, and logs the first of an episode at ERROR, with the *cure*."""

    def __init__(self, logger: logging.Logger, cure: str) -> None:
        self.logger = logger
        self.cure = cure
        self.count = 0
        self._logged = 0
        self._logged_at = -math.inf

    def add(self, found: Unreadable, extra: dict[str, str | int]) -> None:
        """Count *found*; log it unless the last line is recent."""
        self.count += 1
        now = time.monotonic()
        if now - self._logged_at < EPISODE:
            return
        more = self.count - self._logged - 1
        others = f" (and {more} others since the last such line)" if more else ""
        where, why = printable(found.where), printable(found.why)
        text = "%s cannot be read and is set aside%s: %s %s"
        self.logger.error(text, where, others, why, self.cure, extra=extra)
        self._logged, self._logged_at = self.count, now


def printable(value: str | bytes, longest: int = 200) -> str:
    """Return *value* for people: on one line, with printable characters only."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    shown = (each if each.isprintable() else ascii(each)[1:-1] for each in text[:longest])
    return "".join(shown) + ("..." if len(text) > longest else "")
