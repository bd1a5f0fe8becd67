"""Rate limits for log lines that clients can cause without end.

The engine folds its own lines about clients (:class:`Episodes`): it writes the first and counts the
rest. Of the lines of Django and the server program it writes ``LOG_LINES_PER_MINUTE`` of each kind.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import SuspiciousOperation

from channels_workers.conf import configuration
from channels_workers.logs import fields

#: Loggers that write a warning or an error for a single request or socket. Those of
#: ``django.security`` are named after exceptions.
LOGGERS = (
    *("channels_workers.interface.protocol", "channels_workers.interface.socket"),
    "channels_workers.interface.replies",
    *("django.request", "django.security.csrf", "uvicorn.error", "asyncio"),
    *("daphne.server", "daphne.http_protocol", "daphne.ws_protocol"),
)

#: The period in which lines of a kind are counted (s).
MINUTE = 60.0

#: The setting that lets more lines through.
SETTING = 'CHANNEL_WORKERS["LOG_LINES_PER_MINUTE"]'

Kind = tuple[object, ...]


def limit_lines() -> None:
    """Let the loggers that clients can fill write ``LOG_LINES_PER_MINUTE`` of each kind."""
    for name in (*LOGGERS, *(f"django.security.{kind.__name__}" for kind in _suspicious())):
        logging.getLogger(name).addFilter(flood)  # which does nothing the second time


def _suspicious(kind: type[Exception] = SuspiciousOperation) -> Iterator[type[Exception]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _suspicious(each)


class MinuteCount:
    """Counts events; a minute begins with the first event after the minute before."""

    def __init__(self) -> None:
        self._began = -math.inf  # monotonic seconds
        self._count = 0

    def add(self) -> tuple[int, int]:
        """Count an event; return the count of the minute before, if it has just ended, and of this.

        The former is 0 for all but the first event of a minute.
        """
        now, before = time.monotonic(), 0
        if now - self._began >= MINUTE:
            self._began, self._count, before = now, 0, self._count
        self._count += 1
        return before, self._count


class Flood(logging.Filter):
    """Limits warnings and errors of one kind in one minute.

    Lines of a kind share their place in the code, level, status and exception type. The last line
    of a minute says that more are left out, and the first one after that how many were.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._kinds: dict[Kind, MinuteCount] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written; add to it what is left out."""
        limit = configuration().LOG_LINES_PER_MINUTE
        if record.levelno < logging.WARNING or not limit:
            return True
        with self._lock:
            before, count = self._kinds.setdefault(kind_of(record), MinuteCount()).add()
        note = ""
        if before > limit:
            note = f" [{before - limit} more like this one were left out]"
        if count == limit:
            note += f" [more like this one within a minute are left out: {SETTING} is {limit}]"
        if note:
            record.msg, record.args = f"{record.getMessage().rstrip()}{note}", ()
        return count <= limit

    def forget(self) -> None:
        """Reset all counts, for tests."""
        self._kinds.clear()


flood = Flood()


def kind_of(record: logging.LogRecord) -> Kind:
    """Return the key of a line's kind; it holds nothing that a client chose."""
    error = record.exc_info[1] if record.exc_info else None
    trace, where = error.__traceback__ if error else None, None
    while trace is not None:
        where = trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next
    status = getattr(record, "status_code", None)
    return record.name, record.levelno, record.pathname, record.lineno, status, type(error), where


class Episodes:
    """Folds lines that clients can cause without end: it logs the first and counts the rest.

    Every :data:`MINUTE` seconds a line gives the count, until it is zero. Without an event loop
    each line is logged.
    """

    def __init__(self) -> None:
        self._more: dict[tuple[str, str], int] = {}

    def log(
        self,
        logger: logging.Logger,
        level: int,
        text: str,
        *args: object,
        extra: dict[str, str | int],
    ) -> None:
        """Log *text*, or count it; lines of one kind share *text* and the event of *extra*."""
        kind = (str(extra["event"]), text)
        if kind in self._more:
            self._more[kind] += 1
            return
        logger.log(level, text, *args, extra=extra)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._more[kind] = 0
        loop.call_later(MINUTE, self._look, loop, kind, (logger, level))

    def _look(self, loop: asyncio.AbstractEventLoop, kind: tuple[str, str], by: Any) -> None:
        count, (event, text), (logger, level) = self._more.pop(kind), kind, by
        if count:
            again = "%d more in the last %g s of: %s"
            logger.log(level, again, count, MINUTE, text, extra=fields(event))
            self._more[kind] = 0
            loop.call_later(MINUTE, self._look, loop, kind, by)


class ClientLines(logging.Filter):
    """Folds lines of a server program about invalid data of single clients.

    *texts* are the beginnings of those lines. Their stack traces are left out, because they only
    say where the server noticed it.
    """

    def __init__(self, texts: tuple[str, ...]) -> None:
        super().__init__()
        self._texts = texts
        self._episodes = Episodes()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether *record* is logged; count it if not."""
        text = next((text for text in self._texts if str(record.msg).startswith(text)), None)
        if text is None or record.__dict__.get("event"):
            return True
        line = "A client sent what its server refuses: %s"
        reason = str(record.msg).strip().splitlines()[-1]
        self._episodes.log(
            logging.getLogger(record.name),
            logging.WARNING,
            line,
            reason,
            extra=fields("bad_client"),
        )
        return False


def fold_client_lines(name: str, texts: tuple[str, ...]) -> None:
    """Fold the lines of the logger *name* that begin with one of *texts*."""
    logger = logging.getLogger(name)
    if not any(isinstance(each, ClientLines) for each in logger.filters):
        logger.addFilter(ClientLines(texts))
