"""The rooms replay what their clients missed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from channels_workers import Group
from channels_workers.message import Message
from channels_workers.sessions import channel_session
from labs.faults.application.consumers import frame_of
from labs.faults.application.diary import entered
from labs.faults.application.ledger import is_news
from labs.faults.application.orders import obey


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
    """Send to the room. A nonce known from another message is only confirmed to its sender."""
    said = json.loads(message["text"])
    session = message.channel_session
    with entered(message, session.get("key", "?"), said.get("number")):
        session["count"] = session.get("count", 0) + 1
        obey(said.get("order"), message.id)
        frame = frame_of(message, said, session["count"])
        if "room" not in session:
            message.reply_channel.send({"text": json.dumps({**frame, "lost": "session"})})
        elif is_news(said.get("nonce"), message.id):
            content = {"text": json.dumps(frame), "position_key": "at"}
            Group(f"room-{session['room']}").send(content)
        else:
            message.reply_channel.send({"text": json.dumps({**frame, "known": True})})
