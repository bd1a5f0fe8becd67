"""The chat's side of the socket: three functions that workers run.

A consumer is a function of one message from a channel. It answers by sending to the message's
reply channel or to a group of them, and what it sent goes out when it returns. Between the messages
of one connection it keeps what it must remember in the channel session.
"""

import time

from django.conf import settings

from channels_workers import Group
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message as ChannelMessage
from channels_workers.security.websockets import allowed_hosts_only
from channels_workers.sessions import channel_session
from chat import guests, limits, names
from chat.frames import FrameError, parse
from chat.models import Message, Room


@allowed_hosts_only
@channel_session
def ws_connect(message: ChannelMessage) -> None:
    """Let a browser into the room of ``/chat/<label>/``; refuse it when there is none."""
    label = names.label_in(message["path"])
    if not Room.objects.filter(label=label).exists():
        raise DenyConnection(f"There is no room for the socket {message['path']!r}.")
    message.channel_session["room"] = label
    message.channel_session["person"] = guests.person_of_socket(message.content["headers"])
    Group(f"chat-{label}").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session
def ws_receive(message: ChannelMessage) -> None:
    """Store what was said and tell the room; an error is for the sender alone."""
    session = message.channel_session
    try:
        said = parse(message.content.get("text"))
        sent = limits.admit(
            session.get("sent", []), time.time(), settings.CHAT_RATE_LIMIT, said.nonce
        )
        stored, is_news = Message.objects.record(
            session["room"], said, session["person"], message.id
        )
    except FrameError as error:
        message.reply_channel.send({"text": error.frame()})
        return
    session["sent"] = sent
    hearers = Group(f"chat-{session['room']}") if is_news else message.reply_channel
    hearers.send({"text": stored.frame()})


@channel_session
def ws_disconnect(message: ChannelMessage) -> None:
    """Take a browser that is gone out of its room; one that was refused is in none."""
    if room := message.channel_session.get("room"):
        Group(f"chat-{room}").discard(message.reply_channel)
