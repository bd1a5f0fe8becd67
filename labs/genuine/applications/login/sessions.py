"""Sockets that read and write the session of the views."""

import json

from channels.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user,
    http_session_user,
    transfer_user,
)
from channels.sessions import channel_and_http_session, channel_session, http_session


def tell(message, **content):
    """Send *content* to the client."""
    message.reply_channel.send({"text": json.dumps(content)})


@http_session_user
def connect_whoami(message):
    """Send who opened the socket, and whether there is a session."""
    tell(message, user=message.user.username, session=message.http_session is not None)


@http_session_user
def receive_whoami(message):
    """Send it again: frames come without cookies."""
    tell(message, user=message.user.username, session=message.http_session is not None)


@channel_and_http_session
def connect_colour(message):
    """Send the colour that a view stored."""
    session = message.http_session
    tell(message, colour=session.get("colour") if session is not None else None)


@channel_and_http_session
def receive_colour(message):
    """Store another colour for the view."""
    session = message.http_session
    if session is None:
        tell(message, error="There is no session.")
        return
    before = session.get("colour")
    session["colour"] = message["text"]
    session.save()
    tell(message, before=before, now=session["colour"])


@channel_and_http_session_user_from_http
def connect_both(message):
    """Copy the user, and count in the session of the views."""
    session = message.http_session
    if session is not None:
        session["sockets"] = session.get("sockets", 0) + 1
    sockets = session["sockets"] if session is not None else 0
    tell(message, user=message.user.username, sockets=sockets)


@channel_and_http_session_user_from_http
def receive_both(message):
    """Send the current user and the session's colour."""
    session = message.http_session
    colour = session.get("colour") if session is not None else None
    tell(message, user=message.user.username, colour=colour)


@http_session
@channel_session
def connect_transfer(message):
    """Copy the user by hand."""
    if message.http_session is not None:
        transfer_user(message.http_session, message.channel_session)
    message.reply_channel.send({"accept": True})


@channel_session_user
def receive_transfer(message):
    """Send the copied user."""
    tell(message, user=message.user.username)
