"""Reads the frames of a socket into types, before their consumer."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

from channels_workers.declarations import Declaration, Exchange, JsonSchema, declare
from channels_workers.decorators import ConsumerDecorator
from channels_workers.exceptions import ChannelSocketException
from channels_workers.layers.types import RECEIVE
from channels_workers.log_limits import flood
from channels_workers.logs import fields, name_of, shown
from channels_workers.message import Consumer, Message
from channels_workers.outbox import running
from channels_workers.schemas.errors import FIELDS, Invalid, invalid
from channels_workers.schemas.reading import MOST_VALUES, Extra, Reader, loaded

#: The largest id that is a number: JavaScript counts no further.
LARGEST_ID = 2**53 - 1

#: A frame with more characters is read in a thread, if its consumer is a coroutine.
LARGE = 16 * 1024

#: The nonces of the protocol ``channels-workers.v1``, and the ids that are texts.
LABEL = "^[!-~]{1,64}$"

_label = re.compile(LABEL)

_NONCE = {"type": "string", "pattern": LABEL, "description": "That of the frame, if it is valid."}
_ID = {
    "anyOf": [
        {"type": "string", "pattern": LABEL},
        {"type": "integer", "minimum": 0, "maximum": LARGEST_ID},
    ],
    "description": "That of the frame, if it is valid.",
}

#: The answer to a frame that is not of its type.
REFUSAL = JsonSchema(
    "InvalidFrame",
    {
        "type": "object",
        "description": "The answer to a frame that is not of its type.",
        "properties": {
            "type": {"const": "error", "type": "string"},
            "code": {"const": "invalid", "type": "string"},
            "message": {"type": "string", "description": "A sentence about the first field."},
            "fields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {
                            "type": "string",
                            "description": "Such as `lines[0].count`; empty for the whole frame.",
                        },
                        "message": {"type": "string"},
                    },
                    "required": ["field", "message"],
                },
                "minItems": 1,
                "maxItems": FIELDS,
            },
            "id": _ID,
            "nonce": _NONCE,
        },
        "required": ["type", "code", "message", "fields"],
    },
)

logger = logging.getLogger(__name__)
#: Clients can cause its lines without end.
logger.addFilter(flood)


def is_large(message: Message) -> bool:
    """Say whether a frame takes so long to read that the event loop should not wait for it."""
    return len(message.get("text") or "") > LARGE


class _Refused(ChannelSocketException):
    """The frame is not of its type, so its consumer does not run."""

    def __init__(self, error: Invalid, value: Any) -> None:
        super().__init__(str(error))
        self.error = error
        self.value = value

    def run(self, message: Message) -> None:
        """Answer the frame with the error."""
        refuse(message, self.error, **echoed(self.value))


class _Receives(ConsumerDecorator):
    """The decorator :func:`receives` for one *reader*."""

    def __init__(self, reader: Reader) -> None:
        super().__init__("receives", self._read, blocks=is_large)
        self.reader = reader
        self.declaration = Declaration(exchanges_of(reader))

    def __call__(self, func: Consumer) -> Consumer:
        """Return *func*, decorated."""
        made = super().__call__(func)
        declare(made, self.declaration)
        return made

    def message_of(self, args: tuple[Any, ...]) -> Message:
        """Return the message of a method; that of a class-based consumer is in ``self``."""
        message = getattr(args[0], "message", None) if args else None
        return message if isinstance(message, Message) else super().message_of(args)

    def _read(self, message: Message) -> None:
        if message.channel_name == RECEIVE:
            message.frame = read_frame(self.reader, message)


def exchanges_of(reader: Reader) -> tuple[Exchange, ...]:
    """Return what sockets with this *reader* receive, and how they answer other frames."""
    return (
        Exchange("receive", reader.kinds, reader.by, extra=reader.extra),
        Exchange("send", (REFUSAL,), frame="error"),
    )


def receives(
    *kinds: Any, by: str = "type", extra: Extra = "forbid", most_values: int = MOST_VALUES
) -> Callable[[Consumer], Consumer]:
    """Read the frames of a socket as JSON into an instance of one of *kinds*: ``message.frame``.

    Each of several types has a field *by*, a ``Literal``, whose value tells which one it is.
    *extra* is ``"forbid"``, or ``"ignore"`` for keys that the type does not have. A frame with more
    than *most_values* parts is refused. The arguments are those of
    :class:`~channels_workers.schemas.Reader`.

    For another frame the consumer does not run. Its client gets an error that names the fields,
    and the log ``invalid_frame``. On other channels than ``websocket.receive`` nothing is read. Put
    it below the decorators for sessions and users, and below ``@once``.
    """
    return _Receives(Reader(kinds, by, extra, most_values))


def read_frame(reader: Reader, message: Message) -> Any:
    """Return the instance in the frame *message*; raise what answers it if there is none."""
    text = message.get("text")
    value: Any = None
    try:
        if not isinstance(text, str):
            raise invalid("Expected a text frame with JSON, got a binary one")
        value = loaded(text)
        return reader.read_loaded(text, value)
    except Invalid as error:
        raise _Refused(error, value) from None


def refuse(message: Message, error: Invalid, **echo: Any) -> None:
    """Answer the frame *message* with *error*, and log it. *echo* are further keys."""
    path, outbox = shown(str(message.get("path", "-"))), running()
    logger.warning(
        "A frame to %s is not of its type: %s. Its client got this error: correct the client, or "
        "the type",
        path,
        shown(str(error)),
        extra=fields(
            "invalid_frame",
            connection=message.reply_channel.name,
            consumer=name_of(outbox.consumer) if outbox else None,
            message_id=message.id,
            path=path,
            request_id=message.request_id,
        ),
    )
    message.reply_channel.send({"text": json.dumps(error.frame(**echo))})


def echoed(value: Any) -> dict[str, Any]:
    """Return the id and the nonce of the frame *value*, if they are valid ones."""
    if not isinstance(value, dict):
        return {}
    found, nonce = value.get("id"), value.get("nonce")
    is_number = type(found) is int and 0 <= found <= LARGEST_ID
    echo = {"id": found} if is_number or _is_label(found) else {}
    return {**echo, "nonce": nonce} if _is_label(nonce) else echo


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and _label.fullmatch(value) is not None
