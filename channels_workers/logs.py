"""What a line of the log says beside its text: fields of fixed names, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from channels_workers.layers.types import Delivery


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
