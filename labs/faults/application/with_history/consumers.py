"""The rooms replay what their clients missed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from channels_workers import Group
from channels_workers.message import Message
from channels_workers.sessions import channel_session
from labs.faults.application.consumers import hear
from labs.faults.application.diary import entered


@channel_session
def connect(message: Message, room: str) -> None:
    """Let a socket into a room, from its last position on."""
    query = parse_qs(message["query_string"].decode())
    key, since = query.get("key", ["?"])[0], query.get("since", [None])[0]
    with entered(message, key):
        message.channel_session.update({"room": room, "key": key, "count": 0})
        joined = Group(f"room-{room}").add(message.reply_channel, since=since)
        assert joined is not None
        hello: dict[str, Any] = {"joined": key, "gap": joined.is_gap}
        hello["replayed"] = joined.replayed
        if since is None or joined.is_gap:
            hello["at"] = str(joined.position)
        message.reply_channel.send({"accept": True, "text": json.dumps(hello)})


@channel_session
def receive(message: Message) -> None:
    """Send to the room, whose members learn the position."""
    hear(message, {"position_key": "at"})
