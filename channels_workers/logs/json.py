"""A format of log lines for programs: a JSON object per line."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from channels_workers.logs.text import ShortErrors

try:
    from pythonjsonlogger.json import JsonFormatter as Formatter
except ImportError as error:
    raise ImproperlyConfigured(
        "channels_workers.logs.json needs the package python-json-logger, version 4. "
        "Install it: pip install 'channels-workers[logs]'. Or use "
        "channels_workers.logs.text.TextFormatter."
    ) from error

__all__ = ["JsonFormatter"]

#: What Django, asyncio and uvicorn add to records, and no line needs. A request is an object.
LEFT_OUT = frozenset({"request", "server_time", "taskName", "color_message"})


class JsonFormatter(ShortErrors, Formatter):
    """Writes ``time``, ``level``, ``logger``, ``message``, and the fields of the event.

    The texts of exceptions are left out, as
    :class:`~channels_workers.logs.text.TextFormatter` does, unless *error_texts* is true.
    """

    def __init__(self, error_texts: bool = False) -> None:
        names = {"levelname": "level", "name": "logger", "exc_info": "error"}
        Formatter.__init__(
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
            if value is not None and key not in LEFT_OUT
        }
