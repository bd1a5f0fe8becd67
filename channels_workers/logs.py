"""What a line of the log says beside its text: fields of fixed names, for programs."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from channels_workers.layers.operations import Delivery


def fields(
    event: str,
    *,
    channel: str | None = None,
    client: str | None = None,
    code: int | None = None,
    connection: str | None = None,
    consumer: str | None = None,
    message_id: str | None = None,
    path: str | None = None,
    process_id: str | None = None,
) -> dict[str, str | int]:
    """Return the ``extra`` of a line of the log about *event*; what is None is left out.

    Nothing of it is what anybody said, nor a secret. The table in the documentation says what
    each field is.
    """
    known = dict(locals())
    return {name: value for name, value in known.items() if value is not None}


def described(error: BaseException) -> str:
    """Return what *error* is and says; some errors have no text, and none says what it is."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def about(event: str, delivery: Delivery, consumer: str | None = None) -> dict[str, str | int]:
    """Return the ``extra`` of a line about a message that was handed to a worker."""
    return fields(
        event,
        channel=delivery.channel,
        connection=delivery.reply_channel,
        consumer=consumer,
        message_id=delivery.id,
    )


#: For how long nothing of a kind must happen, before it is said again (s).
QUIET = 60.0


class Episode:
    """Something that may happen again and again, and is said once."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def is_new(self) -> bool:
        """Note that it happens; return whether it did not for a minute."""
        before, self._last = self._last, time.monotonic()
        return self._last - before > QUIET


#: How long lines of a kind are counted before the log says how many there were (s).
EPISODE = 60.0


class Episodes:
    """Lines that clients can cause without end: the first is logged, those that follow are counted.

    Every :data:`EPISODE` seconds a line says how many there were, until there was none. Without an
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
        loop.call_later(EPISODE, self._look, loop, kind, (logger, level))

    def _look(self, loop: asyncio.AbstractEventLoop, kind: tuple[str, str], by: Any) -> None:
        count, (event, text), (logger, level) = self._more.pop(kind), kind, by
        if count:
            again = "%d more in the last %g s of: %s"
            logger.log(level, again, count, EPISODE, text, extra=fields(event))
            self._more[kind] = 0
            loop.call_later(EPISODE, self._look, loop, kind, by)


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
