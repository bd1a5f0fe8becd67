"""The room on Channels 1.1.8, in the shape of its documentation."""

from typing import Any

from channels import Group
from channels.sessions import channel_session

from labs.benchmarks.rooms.frames import frame_of


@channel_session
def ws_connect(message: Any, room: str) -> None:
    """Let a socket into its room."""
    message.channel_session["room"] = room
    Group(f"chat-{room}").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session
def ws_receive(message: Any) -> None:
    """Tell the room."""
    Group(f"chat-{message.channel_session['room']}").send({"text": frame_of(message["text"])})


@channel_session
def ws_disconnect(message: Any) -> None:
    """Take a socket out of its room."""
    room = message.channel_session.get("room")
    if room:
        Group(f"chat-{room}").discard(message.reply_channel)
