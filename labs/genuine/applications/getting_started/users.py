"""The third step: users, who meet others with the same first letter."""

from channels import Group, route
from channels.auth import channel_session_user, channel_session_user_from_http


@channel_session_user_from_http
def ws_connect(message):
    """Copy the user from the HTTP session, and join a group."""
    Group(group_of(message.user)).add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session_user
def ws_message(message):
    """Send to users with the same first letter."""
    name = message.user.username or "a guest"
    Group(group_of(message.user)).send({"text": f"{name}: {message['text']}"})


@channel_session_user
def ws_disconnect(message):
    """Leave the group and announce it."""
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
