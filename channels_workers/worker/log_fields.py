"""The fields of log lines about a delivery."""

from __future__ import annotations

import threading
from typing import Any

from channels_workers.layers.types import Delivery
from channels_workers.logs import fields

#: Of how many connections a process remembers the request id: of the last ones that had a message.
REMEMBERED = 10_000

_lock = threading.Lock()
_request_ids: dict[str, str] = {}  # by connection


def note_request_id(delivery: Delivery, request_id: Any) -> None:
    """Remember the request id of the connection of *delivery*, which its content has."""
    connection = delivery.reply_channel
    if connection is None or not isinstance(request_id, str):
        return
    with _lock:
        _request_ids.pop(connection, None)
        _request_ids[connection] = request_id
        if len(_request_ids) > REMEMBERED:
            del _request_ids[next(iter(_request_ids))]


def request_id_of(delivery: Delivery) -> str | None:
    """Return the request id of the connection of *delivery*, if a message of it began here."""
    return _request_ids.get(delivery.reply_channel or "")


def delivery_fields(event: str, delivery: Delivery) -> dict[str, str | int]:
    """Return the ``extra`` of a log line about *delivery*."""
    return fields(
        event,
        channel=delivery.channel,
        connection=delivery.reply_channel,
        message_id=delivery.id,
        request_id=request_id_of(delivery),
    )
