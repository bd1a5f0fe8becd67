"""The fields of log lines about a delivery."""

from __future__ import annotations

from channels_workers.layers.types import Delivery
from channels_workers.logs import fields


def delivery_fields(event: str, delivery: Delivery) -> dict[str, str | int]:
    """Return the ``extra`` of a log line about *delivery*."""
    return fields(
        event,
        channel=delivery.channel,
        connection=delivery.reply_channel,
        message_id=delivery.id,
    )
