"""Formats for log lines: text for people, or JSON for programs.

For exceptions the log has the type and the traceback but not the message, which may quote private
data: PostgreSQL quotes a whole row. ``LOG_ERROR_TEXTS`` includes it.
"""

import logging
import traceback
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

ErrorInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class KeepsErrorsShort(logging.Formatter):
    """Leaves the messages of exceptions out, unless *error_texts* is set."""

    error_texts = False

    def formatException(self, ei: ErrorInfo) -> str:  # noqa: N802  (as logging names it)
        """Return the traceback of an exception and its causes, without their messages."""
        if self.error_texts or ei[1] is None:
            return super().formatException(ei)
        return "\n".join(without_texts(ei[1], set()))


class TextFormatter(KeepsErrorsShort):
    """``LEVEL logger: text``."""

    def __init__(self, error_texts: bool = False) -> None:
        super().__init__("{levelname} {name}: {message}", style="{")
        self.error_texts = error_texts


class NoSockets(logging.Filter):
    """Drops uvicorn's lines about single sockets. Its start and stop stay in the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep the line."""
        text = str(record.msg)
        is_of_socket = '"WebSocket ' in text or text.startswith("connection ")
        return not is_of_socket or record.levelno > logging.INFO


class LineOfJsonFormatter(KeepsErrorsShort, JsonFormatter):
    """A JSON object per line: time, level, logger, message, and the fields of the event."""

    def __init__(self, error_texts: bool = False) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "error"}
        JsonFormatter.__init__(
            self,
            "{levelname}{name}{message}",
            style="{",
            rename_fields=names,
            timestamp="time",
            json_ensure_ascii=False,
        )
        self.error_texts = error_texts

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a line, without empty ones and without objects of Django."""
        return {
            key: value
            for key, value in super().process_log_record(log_data).items()
            if value is not None and key not in {"request", "server_time", "taskName"}
        }


def without_texts(error: BaseException, seen: set[int]) -> list[str]:
    """The lines of a traceback: places and types of *error*, its causes and its parts."""
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
