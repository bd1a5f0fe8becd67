"""Filters for the handlers and loggers of a project."""

from __future__ import annotations

import logging

from channels_workers.bearer.redaction import NoSecrets
from channels_workers.context import current_outbox
from channels_workers.logs import fields, name_of, shown

__all__ = ["CurrentMessage", "NoSecrets", "NoSockets"]


class CurrentMessage(logging.Filter):
    """Adds to each line that a consumer writes which message and connection it is about.

    The fields are ``channel``, ``connection``, ``consumer``, ``message_id``, ``path`` and, with the
    setting ``REQUEST_ID_HEADER``, ``request_id``. Put it on a handler: it then sees the lines of
    all loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields, unless *record* has them; keep it."""
        outbox = current_outbox.get()
        if outbox is None or outbox.message is None or "event" in record.__dict__:
            return True
        message = outbox.message
        found = fields(
            "",
            channel=message.channel_name,
            connection=message.reply_channel.name if message.reply_channel else None,
            consumer=name_of(outbox.consumer),
            message_id=message.id,
            path=shown(str(message["path"])) if "path" in message else None,
            request_id=message.request_id,
        )
        del found["event"]
        for name, value in found.items():
            record.__dict__.setdefault(name, value)
        return True


class NoSockets(logging.Filter):
    """Drops uvicorn's lines about single sockets, which contain the query string.

    Put it on the logger ``uvicorn.error``. The start and stop of uvicorn stay in the log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep the line."""
        text = str(record.msg)
        is_of_socket = '"WebSocket ' in text or text.startswith("connection ")
        return not is_of_socket or record.levelno > logging.INFO
