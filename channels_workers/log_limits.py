"""Lines of the log that clients can cause without end: so many, and no more.

What the engine itself says of clients is folded (:class:`Episodes`): written once, then counted. Of
what Django and the server program say, ``LOG_LINES_PER_MINUTE`` of each kind are written.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import SuspiciousOperation

from channels_workers.conf import configuration
from channels_workers.logs import fields

#: Loggers to whose warnings and errors a client can add with each request, or socket. Those of
#: ``django.security`` have the names of errors.
LOGGERS = (
    *("channels_workers.interface.protocol", "channels_workers.interface.socket"),
    "channels_workers.interface.replies",
    *("django.request", "django.security.csrf", "uvicorn.error", "asyncio"),
    *("daphne.server", "daphne.http_protocol", "daphne.ws_protocol"),
)

#: For how long lines of a kind are counted together (s).
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


class Flood(logging.Filter):
    """Lets warnings and errors through that are not too many of one kind in one minute.

    Of one kind are those of one place in the code, level, status and error. The last one of a
    minute says that more are left out, and the first one after that how many were.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._kinds: dict[Kind, tuple[float, int]] = {}  # when the minute began, and how many

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written; add to it what is left out."""
        limit = configuration().LOG_LINES_PER_MINUTE
        if record.levelno < logging.WARNING or not limit:
            return True
        before, count = self._count(kind_of(record))
        note = ""
        if before > limit:
            note = f" [{before - limit} more like this one were left out]"
        if count == limit:
            note += f" [more like this one within a minute are left out: {SETTING} is {limit}]"
        if note:
            record.msg, record.args = f"{record.getMessage().rstrip()}{note}", ()
        return count <= limit

    def forget(self) -> None:
        """Count from the beginning, as tests want it."""
        self._kinds.clear()

    def _count(self, kind: Kind) -> tuple[int, int]:
        """Return how many there were in the minute before, if a new one begins, and in this one."""
        now = time.monotonic()
        with self._lock:
            began, count = self._kinds.get(kind, (now, 0))
            before = 0
            if now - began >= MINUTE:
                began, count, before = now, 0, count
            self._kinds[kind] = began, count + 1
        return before, count + 1


flood = Flood()


def kind_of(record: logging.LogRecord) -> Kind:
    """Return what is the same for lines of one kind: nothing in it is what a client said."""
    error = record.exc_info[1] if record.exc_info else None
    trace, where = error.__traceback__ if error else None, None
    while trace is not None:
        where = trace.tb_frame.f_code, trace.tb_lineno
        trace = trace.tb_next
    status = getattr(record, "status_code", None)
    return record.name, record.levelno, record.pathname, record.lineno, status, type(error), where


class Episodes:
    """Lines that clients can cause without end: the first is logged, those that follow are counted.

    Every :data:`MINUTE` seconds a line says how many there were, until there was none. Without an
    event loop each line is logged.
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
    """Lines of a server program about what single clients sent: the first is logged, as above.

    *texts* are the beginnings of those lines. Their stack traces are left out: they say where the
    server noticed it, which helps nobody.
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
    """Let the logger *name* of a server program say once what single clients cause again."""
    logger = logging.getLogger(name)
    if not any(isinstance(each, ClientLines) for each in logger.filters):
        logger.addFilter(ClientLines(texts))
