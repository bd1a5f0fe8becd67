"""One socket, many rooms: frames become messages on another channel."""

import json

from channels import Channel
from channels.sessions import channel_session

from .errors import ClientError, tells_client
from .models import Room


@channel_session
def ws_connect(message, name):
    """Accept a client, which is in no room yet."""
    message.channel_session["name"] = name
    message.channel_session["rooms"] = []
    message.reply_channel.send({"accept": True})


@tells_client
def ws_receive(message):
    """Send the frame to ``chat.receive``, as a message of the same socket."""
    try:
        payload = json.loads(message.get("text") or "")
    except ValueError:
        raise ClientError("NO_JSON") from None
    if not isinstance(payload, dict) or not isinstance(payload.get("command"), str):
        raise ClientError("NO_COMMAND")
    payload["reply_channel"] = message.content["reply_channel"]
    Channel("chat.receive").send(payload)


@channel_session
def ws_disconnect(message):
    """Leave all rooms."""
    for room in Room.objects.filter(id__in=message.channel_session["rooms"]).order_by("id"):
        room.group.discard(message.reply_channel)
        tell(room, {"leave": room.id, "name": message.channel_session["name"]})


@channel_session
@tells_client
def chat_join(message):
    """Enter a room, and tell its members."""
    room = room_of(message)
    rooms = set(message.channel_session["rooms"])
    message.channel_session["rooms"] = sorted(rooms | {room.id})
    room.group.add(message.reply_channel)
    tell(room, {"join": room.id, "title": room.title, "name": message.channel_session["name"]})


@channel_session
@tells_client
def chat_leave(message):
    """Leave a room. The leaving client gets its last message."""
    room = room_entered(message)
    rooms = set(message.channel_session["rooms"])
    message.channel_session["rooms"] = sorted(rooms - {room.id})
    room.group.discard(message.reply_channel)
    message.reply_channel.send({"text": json.dumps({"left": room.id})})
    tell(room, {"leave": room.id, "name": message.channel_session["name"]})


@channel_session
@tells_client
def chat_send(message):
    """Send to a room."""
    room = room_entered(message)
    said = {"room": room.id, "name": message.channel_session["name"], "text": message.get("text")}
    tell(room, said)


def room_of(message):
    """Return the room that the message names."""
    number = message.get("room")
    if type(number) is not int:
        raise ClientError("ROOM_MISSING")
    try:
        return Room.objects.get(id=number)
    except Room.DoesNotExist:
        raise ClientError("ROOM_UNKNOWN") from None


def room_entered(message):
    """Return the room that the message names, if its sender is in it."""
    room = room_of(message)
    if room.id not in message.channel_session["rooms"]:
        raise ClientError("ROOM_NOT_ENTERED")
    return room


def tell(room, content):
    """Send *content* to all in *room*."""
    room.group.send({"text": json.dumps(content)})
