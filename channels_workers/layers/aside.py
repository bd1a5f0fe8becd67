"""What came from a layer and cannot be read: counted, and said once while it goes on."""

from __future__ import annotations

import logging
import math
import time

from channels_workers.layers.types import Unreadable

#: So long after what is unreadable was logged, the next is only counted (s).
EPISODE = 60.0


class Aside:
    """Counts what is set aside, and logs the first of an episode at ERROR, with the *cure*."""

    def __init__(self, logger: logging.Logger, cure: str) -> None:
        self.logger = logger
        self.cure = cure
        self.count = 0
        self._told = 0
        self._told_at = -math.inf

    def add(self, found: Unreadable, extra: dict[str, str | int]) -> None:
        """Count *found*; log it unless something was a moment ago."""
        self.count += 1
        now = time.monotonic()
        if now - self._told_at < EPISODE:
            return
        more = self.count - self._told - 1
        others = f" (and {more} others since the last such line)" if more else ""
        where, why = printable(found.where), printable(found.why)
        text = "%s cannot be read and is set aside%s: %s %s"
        self.logger.error(text, where, others, why, self.cure, extra=extra)
        self._told, self._told_at = self.count, now


def printable(value: str | bytes, longest: int = 200) -> str:
    """Return *value* for people: on one line, nothing in it but what can be printed."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    letters = (each if each.isprintable() else ascii(each)[1:-1] for each in text[:longest])
    return "".join(letters) + ("..." if len(text) > longest else "")
