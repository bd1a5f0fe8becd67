"""Sockets for users only, and three ways to refuse others."""

import json

from channels import Group
from channels.auth import channel_session_user, channel_session_user_from_http
from channels.exceptions import DenyConnection
from channels.security.websockets import allowed_hosts_only


def welcome(message):
    """Accept a user and send the user's name."""
    Group("members").add(message.reply_channel)
    message.reply_channel.send({"accept": True})
    message.reply_channel.send({"text": json.dumps({"welcome": message.user.username})})


@channel_session_user_from_http
def connect_or_close(message):
    """Refuse by closing a socket that is not open yet."""
    if message.user.is_anonymous:
        message.reply_channel.send({"close": True})
        return
    welcome(message)


@channel_session_user_from_http
def connect_or_reject(message):
    """Refuse by not accepting."""
    if message.user.is_anonymous:
        message.reply_channel.send({"accept": False})
    else:
        welcome(message)


@allowed_hosts_only
@channel_session_user_from_http
def connect_or_deny(message):
    """Refuse by an exception. Also refuses handshakes without an Origin."""
    if message.user.is_anonymous:
        raise DenyConnection
    welcome(message)


@channel_session_user
def receive(message):
    """Send to all users. Close the sockets of former users."""
    if message.user.is_anonymous:
        Group("members").discard(message.reply_channel)
        message.reply_channel.send({"close": 4003})
        return
    said = {"user": message.user.username, "text": message.get("text")}
    Group("members").send({"text": json.dumps(said)})


@channel_session_user
def disconnect(message):
    """Tell all users who left. Refused sockets have no name."""
    Group("members").discard(message.reply_channel)
    Group("members").send({"text": json.dumps({"left": message.user.username})})
