"""Beside the steps: data that views keep about a visitor, seen from sockets."""

import json

from channels import route
from channels.auth import http_session_user
from channels.sessions import channel_and_http_session, http_session


@http_session
def ws_connect_once(message):
    """Send the number of pages that the visitor has seen. None without a session."""
    visits = message.http_session.get("visits") if message.http_session else None
    message.reply_channel.send({"text": json.dumps({"visits": visits})})


@http_session_user
def ws_connect_known(message):
    """Send the visitor's name, if the session knows it."""
    known = message.http_session is not None
    answer = {"session": known, "user": message.user.username, "guest": message.user.is_anonymous}
    message.reply_channel.send({"text": json.dumps(answer)})


@channel_and_http_session
def ws_connect_again(message):
    """Remember the HTTP session."""
    message.reply_channel.send({"accept": True})


@channel_and_http_session
def ws_message_again(message):
    """Send the current number of pages that the visitor has seen."""
    visits = message.http_session.get("visits") if message.http_session else None
    message.reply_channel.send({"text": json.dumps({"visits": visits})})


channel_routing = [
    route("websocket.connect", ws_connect_once, path=r"^/once/$"),
    route("websocket.connect", ws_connect_known, path=r"^/known/$"),
    route("websocket.connect", ws_connect_again, path=r"^/again/$"),
    route("websocket.receive", ws_message_again, path=r"^/again/$"),
]
