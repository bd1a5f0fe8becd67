"""The third stage: users, who meet those whose names begin alike."""

from channels import Group, route
from channels.auth import channel_session_user, channel_session_user_from_http


@channel_session_user_from_http
def ws_connect(message):
    """Take the user over from the HTTP session, and into a group."""
    Group(group_of(message.user)).add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session_user
def ws_message(message):
    """Tell those of the same letter."""
    name = message.user.username or "a guest"
    Group(group_of(message.user)).send({"text": f"{name}: {message['text']}"})


@channel_session_user
def ws_disconnect(message):
    """Leave the group, and say so."""
    Group(group_of(message.user)).discard(message.reply_channel)
    name = message.user.username or "a guest"
    Group(group_of(message.user)).send({"text": f"{name} left"})


def group_of(user):
    """Return the group of *user*'s first letter, or that of guests."""
    letter = user.username[:1].lower()
    return f"letter-{letter}" if letter.isascii() and letter.isalpha() else "guests"


channel_routing = [
    route("websocket.connect", ws_connect),
    route("websocket.receive", ws_message),
    route("websocket.disconnect", ws_disconnect),
]
