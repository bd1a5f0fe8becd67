"""The room on channels_workers: a group, and a channel session that remembers its name."""

from channels_workers import Group
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message
from channels_workers.sessions import channel_session
from labs.benchmarks.rooms.frames import frame_of


@channel_session
def ws_connect(message: Message, room: str) -> None:
    """Let a socket into its room."""
    message.channel_session["room"] = room
    Group(f"chat-{room}").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session
def ws_receive(message: Message) -> None:
    """Tell the room."""
    Group(f"chat-{message.channel_session['room']}").send({"text": frame_of(message["text"])})


@channel_session
def ws_disconnect(message: Message) -> None:
    """Take a socket out of its room."""
    if room := message.channel_session.get("room"):
        Group(f"chat-{room}").discard(message.reply_channel)


def ws_nowhere(message: Message) -> None:
    """Refuse a socket of another path."""
    raise DenyConnection
