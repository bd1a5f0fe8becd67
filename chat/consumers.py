"""The chat's side of the sockets: functions that workers run.

A consumer is a function of one message from a channel. It answers by sending to the message's
reply channel or to a group of them, and what it sent goes out when it returns. Between the messages
of one connection it keeps what it must remember in the channel session.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from channels_workers import Group
from channels_workers.auth import channel_session_user, channel_session_user_from_http
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message as ChannelMessage
from channels_workers.security.websockets import configured_origins_only
from chat import changes, guests, lobby, names, presence
from chat.frames import Delete, Edit, FrameError, Said, Typing, WhoIsHere, as_text, parse
from chat.languages import in_language_of_socket
from chat.models import Message, Room
from chat.paces import ARRIVE, Pace

#: How often (s) a connection may say that somebody is typing.
TYPING_PAUSE = 3.0


@configured_origins_only
@channel_session_user_from_http
@in_language_of_socket
def ws_connect(message: ChannelMessage) -> None:
    """Let a browser into the room of ``/chat/<label>/``, which the first one makes."""
    session = message.channel_session
    session["room"] = names.label_in(message["path"])
    guests.remember(message)
    try:
        come_in(session)
        presence.join(message, presence.visitor_of(message, ""))
    except FrameError as error:
        raise DenyConnection(f"The socket {message['path']!r} is refused: {error}") from None
    Group(f"chat-{session['room']}").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@channel_session_user
@in_language_of_socket
def ws_receive(message: ChannelMessage) -> None:
    """Do what a frame asks for; an error is for the sender alone."""
    try:
        frame = parse(message.get("text"))
    except FrameError as error:
        message.reply_channel.send({"text": error.frame()})
        return
    try:
        ANSWERS[type(frame)](message, frame)
    except FrameError as error:
        message.reply_channel.send({"text": error.about(frame).frame()})


@channel_session_user
def ws_disconnect(message: ChannelMessage) -> None:
    """Take a browser that is gone out of its room; one that was refused is in none."""
    if room := message.channel_session.get("room"):
        Group(f"chat-{room}").discard(message.reply_channel)
    presence.leave(message.reply_channel.name)


def come_in(session: SessionBase) -> None:
    """Make the room that a socket comes to, if it is the first; or ``FrameError``."""
    if session["room"] is None:
        raise FrameError("forbidden", "This is no address of a room.")
    address = guests.address_of(session)
    Pace.objects.admit(ARRIVE, address)
    Room.objects.at(session["room"], address)


def say(message: ChannelMessage, said: Said) -> None:
    """Store what was said and tell the room."""
    visitor = presence.visitor_of(message, said.handle)
    signed = replace(said, handle=visitor.handle)
    stored, is_news = Message.objects.record(
        *(room_of(message), signed, visitor.person, message.id, visitor.account),
        address=guests.address_of(message.channel_session),
    )
    hearers(message, is_news).send({"text": stored.frame()})
    if is_news:
        presence.speak_as(message, visitor)
        lobby.tell_active(stored.room)


def edit(message: ChannelMessage, wanted: Edit) -> None:
    """Let an own message say something else."""
    speaker = guests.speaker(message)
    changed, is_news = changes.edit(
        *(room_of(message), wanted, speaker, message.id),
        address=guests.address_of(message.channel_session),
    )
    hearers(message, is_news).send({"text": changed.change_frame()})


def delete(message: ChannelMessage, wanted: Delete) -> None:
    """Delete an own message, or any for the staff."""
    speaker = guests.speaker(message)
    changed, is_news = changes.delete(
        *(room_of(message), wanted, speaker, message.id),
        address=guests.address_of(message.channel_session),
    )
    hearers(message, is_news).send({"text": changed.change_frame()})


def tell_typing(message: ChannelMessage, typing: Typing) -> None:
    """Tell the room that somebody is typing, now and then; it is forgotten by itself."""
    now = time.time()
    if 0 <= now - message.channel_session.get("typing", 0.0) < TYPING_PAUSE:
        return
    visitor = presence.visitor_of(message, typing.handle)
    message.channel_session["typing"] = now
    frame = {"type": "typing", **visitor.fields()}
    hearers(message).send({"text": as_text(frame)})


def tell_who_is_here(message: ChannelMessage, asked: WhoIsHere) -> None:
    """Answer with all who are in the room, whether or not the name can be shown.

    Raises ``FrameError`` (too_fast) for a socket that asks as fast as nobody may speak, and for an
    address that asks as often as nobody may come in.
    """
    presence.check_pace(message.channel_session)
    Pace.objects.admit(ARRIVE, guests.address_of(message.channel_session))
    try:
        presence.come_back(message, presence.visitor_of(message, asked.handle))
    finally:
        you = presence.itself(message)
        message.reply_channel.send({"text": presence.whole(room_of(message), you)})


def room_of(message: ChannelMessage) -> str:
    """The label of the room that a socket is in."""
    label: str = message.channel_session["room"]
    return label


def hearers(message: ChannelMessage, is_news: bool = True) -> Any:
    """Who hears of it: the whole room, or the sender alone of what the room knows."""
    return Group(f"chat-{room_of(message)}") if is_news else message.reply_channel


ANSWERS: dict[type, Callable[[ChannelMessage, Any], None]] = {
    Said: say,
    Edit: edit,
    Delete: delete,
    Typing: tell_typing,
    WhoIsHere: tell_who_is_here,
}


@configured_origins_only
def lobby_connect(message: ChannelMessage) -> None:
    """Let a page of the lobby hear of all rooms."""
    try:
        Pace.objects.admit(ARRIVE, guests.address_of_socket(message))
    except FrameError as error:
        raise DenyConnection(f"The socket of the lobby is refused: {error}") from None
    Group(lobby.GROUP).add(message.reply_channel)
    message.reply_channel.send({"accept": True})
    message.reply_channel.send({"text": lobby.frame(lobby.rooms())})


def lobby_receive(message: ChannelMessage) -> None:
    """Nothing is said at the lobby."""
    error = FrameError("bad_message", "The lobby takes no frames; talk at /chat/<label>/.")
    message.reply_channel.send({"text": error.frame()})


def lobby_disconnect(message: ChannelMessage) -> None:
    """Take a page of the lobby that is gone out of its group."""
    Group(lobby.GROUP).discard(message.reply_channel)
