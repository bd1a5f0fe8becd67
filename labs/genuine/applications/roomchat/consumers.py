"""The socket of a room: three functions, run by workers."""

import json

from channels import Group
from channels.sessions import channel_session

from .models import Room


@channel_session
def ws_connect(message):
    """Join the room of ``/chat/<label>/``. Refuse the socket if there is none."""
    parts = message["path"].strip("/").split("/")
    if len(parts) != 2 or parts[0] != "chat" or not Room.objects.filter(label=parts[1]).exists():
        message.reply_channel.send({"close": True})
        return
    Group("chat-" + parts[1]).add(message.reply_channel)
    message.channel_session["room"] = parts[1]
    message.reply_channel.send({"accept": True})


@channel_session
def ws_receive(message):
    """Store the message and send it to the room. Ignore invalid frames."""
    data = parse(message.get("text"))
    if data is None or "room" not in message.channel_session:
        return
    room = Room.objects.get(label=message.channel_session["room"])
    saved = room.messages.create(**data)
    Group("chat-" + room.label).send({"text": json.dumps(saved.as_dict())})


@channel_session
def ws_disconnect(message):
    """Leave the room."""
    if "room" in message.channel_session:
        Group("chat-" + message.channel_session["room"]).discard(message.reply_channel)


def parse(text):
    """Return the handle and the message in *text*, or None."""
    try:
        data = json.loads(text or "")
    except ValueError:
        return None
    if not isinstance(data, dict) or set(data) != {"handle", "message"}:
        return None
    return data if all(isinstance(value, str) for value in data.values()) else None
