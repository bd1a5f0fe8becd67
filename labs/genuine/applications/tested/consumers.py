"""Rooms for users, and background work."""

import json

from channels import Channel, Group
from channels.auth import channel_session_user, channel_session_user_from_http, http_session_user
from channels.exceptions import ChannelSocketException, ConsumeLater, DenyConnection
from channels.generic.websockets import JsonWebsocketConsumer
from channels.sessions import channel_session, enforce_ordering, http_session
from django.contrib.auth.models import User


class CloseSocket(ChannelSocketException):
    """Closes a socket with a custom code."""

    def run(self, message):
        """Close it."""
        message.reply_channel.send({"close": 4000})


@channel_session_user_from_http
def connect_room(message, room):
    """Accept only users into the room."""
    if message.user.is_anonymous:
        raise DenyConnection
    message.channel_session["room"] = room
    Group("room-" + room).add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session_user
def receive_room(message, room):
    """Send the sender and the message to the room. A frame that is not JSON closes the socket."""
    try:
        said = json.loads(message["text"])
    except ValueError:
        raise CloseSocket from None
    line = {"user": message.user.username, "said": said, "room": message.channel_session["room"]}
    Group("room-" + room).send({"text": json.dumps(line)})
    return line


@channel_session
def disconnect_room(message, room):
    """Leave the room."""
    Group("room-" + room).discard(message.reply_channel)


def square(message):
    """Compute something, and send it to the channel that the message names."""
    Channel(message["to"]).send({"value": message["value"] ** 2})


def answer(message):
    """Send the message back, and whether it had content."""
    message.reply_channel.send({"text": message.get("text", "null")})
    return "answered"


def refuse(message):
    """Refuse everybody."""
    message.reply_channel.send({"close": True})


def fail(message):
    """Send something, then raise."""
    message.reply_channel.send({"sent": "before"})
    raise ValueError("broken")


def put_off(message):
    """Always postpone the message."""
    raise ConsumeLater


def register(message):
    """Create a user."""
    return User.objects.create(username=message["name"]).pk


@http_session
def browser(message):
    """Send the content of the browser's session."""
    message.reply_channel.send({"text": json.dumps(message.http_session.get("visits"))})


@http_session_user
def browser_user(message):
    """Send the browser's user."""
    return message.user.username


@channel_session
def count(message):
    """Count the messages of a connection."""
    message.channel_session["count"] = message.channel_session.get("count", 0) + 1
    return message.channel_session["count"]


@enforce_ordering
def ordered(message):
    """Send the number of the message."""
    message.reply_channel.send({"text": json.dumps(message["order"])})


def describe(message):
    """Send the content of the message."""
    return dict(message.content)


class Feed(JsonWebsocketConsumer):
    """A feed to which everybody writes."""

    groups = ("feed",)

    def receive(self, content, **kwargs):
        """Send it to everybody."""
        self.group_send("feed", {"fed": content})
