"""A format of log lines for people. It keeps the texts of exceptions out of the log."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

__all__ = ["TextFormatter"]

ErrorInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class ShortErrors(logging.Formatter):
    """Leaves out the texts of exceptions, unless *error_texts* is set."""

    error_texts = False

    def formatException(self, ei: ErrorInfo) -> str:  # noqa: N802  (as logging names it)
        """Return the traceback of an exception and its causes, without their texts."""
        if self.error_texts or ei[1] is None:
            return super().formatException(ei)
        return "\n".join(without_texts(ei[1], set()))


class TextFormatter(ShortErrors):
    """Writes ``LEVEL logger: text``.

    With the filter :class:`~channels_workers.logs.filters.CurrentMessage`, the lines of your
    consumers end with the connection and the message. Lines about a socket or request also end with
    its request id, if ``REQUEST_ID_HEADER`` is set.

    The text of an exception may quote private data: PostgreSQL quotes a whole row. So a traceback
    has only the types of exceptions, unless *error_texts* is true. *format* is another format in
    the style ``{``.
    """

    def __init__(self, error_texts: bool = False) -> None:
        super().__init__("{levelname} {name}: {message}", style="{")
        self.error_texts = error_texts

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (as logging names it)
        """Return the line, with the ids of the message that was running, and of its request."""
        found, ids = record.__dict__, []
        if "event" not in found and "message_id" in found:  # the engine's lines name theirs
            ids += [found["connection"]] if "connection" in found else []
            ids.append(f"message {found['message_id']}")
        if "request_id" in found:
            ids.append(f"request {found['request_id']}")
        line = super().formatMessage(record)
        return f"{line} [{', '.join(ids)}]" if ids else line


def without_texts(error: BaseException, seen: set[int]) -> list[str]:
    """Return the lines of a traceback: places and types of *error*, its causes and its parts."""
    seen.add(id(error))
    lines: list[str] = []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        lines += [*without_texts(before, seen), "", "and then:", ""]
    for entry in traceback.format_tb(error.__traceback__):
        lines += entry.rstrip().splitlines()
    kind = type(error)
    lines.append(f"{kind.__module__}.{kind.__qualname__} (its text is not logged)")
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            lines += ["", "in it:", "", *without_texts(part, seen)]
    return lines
