"""Names the cure of mistakes in consumers whose errors, or silence, do not tell it."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpResponseBase

from channels_workers.logs import fields, name_of
from channels_workers.message import Consumer, Message

logger = logging.getLogger(__name__)

#: How many consumers a process names, each once.
CONSUMERS = 1_000

#: Types of results that are meant for a client. Other results harm nobody.
ANSWERS = (dict, str, bytes, HttpResponseBase)

#: What sets an attribute of messages that a consumer may miss.
CURES = {
    "channel_session": "Decorate the consumer with @channel_session of channels_workers.sessions.",
    "http_session": "Decorate the consumer with @http_session of channels_workers.sessions.",
    "user": "Decorate the consumer with @channel_session_user, or another decorator of "
    "channels_workers.auth.",
}

_named: set[str] = set()


def add_cure(error: BaseException) -> None:
    """Add a note to *error* if it is about an attribute that a decorator sets."""
    if not isinstance(error, AttributeError) or not isinstance(error.obj, Message):
        return
    if (cure := CURES.get(error.name or "")) is not None:
        error.add_note(cure)


def note_result(consumer: Consumer, result: Any) -> None:
    """Log once that *consumer* returned something for its client, which nobody reads."""
    name = name_of(consumer)
    if not isinstance(result, ANSWERS) or name in _named or len(_named) >= CONSUMERS:
        return
    _named.add(name)
    logger.warning(
        "%s returned a value of type %s, which nobody reads. Send it: "
        "message.reply_channel.send(...). This is logged once for a consumer",
        name,
        type(result).__name__,
        extra=fields("result_ignored", consumer=name),
    )
