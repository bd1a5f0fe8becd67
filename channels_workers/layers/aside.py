"""Unreadable data from a layer: counted, and logged once a minute."""

from __future__ import annotations

import logging

from channels_workers.layers.types import Unreadable
from channels_workers.log_limits import MinuteCount


class Aside:
    """Counts unreadable data, and logs the first of a minute at ERROR, with the *cure*."""

    def __init__(self, logger: logging.Logger, cure: str) -> None:
        self.logger = logger
        self.cure = cure
        self.count = 0
        self._in_minute = MinuteCount()

    def add(self, found: Unreadable, extra: dict[str, str | int]) -> None:
        """Count *found*; log it unless the last line is recent."""
        self.count += 1
        before, count = self._in_minute.add()
        if count > 1:
            return
        others = f" (and {before - 1} others since the last such line)" if before > 1 else ""
        where, why = printable(found.where), printable(found.why)
        text = "%s cannot be read and is set aside%s: %s %s"
        self.logger.error(text, where, others, why, self.cure, extra=extra)


def printable(value: str | bytes, longest: int = 200) -> str:
    """Return *value* for people: on one line, with printable characters only."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    shown = (each if each.isprintable() else ascii(each)[1:-1] for each in text[:longest])
    return "".join(shown) + ("..." if len(text) > longest else "")
