"""A client is back: its session and its room are still there."""

from __future__ import annotations

from channels_workers.message import Message
from channels_workers.sessions import channel_session
from labs.faults.application.diary import entered


@channel_session
def resume(message: Message) -> None:
    """Count the message, as the layer does."""
    session = message.channel_session
    with entered(message, session.get("key", "?")):
        session["count"] = session.get("count", 0) + 1
