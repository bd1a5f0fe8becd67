"""The consumers of the chat: functions that workers run for each message of a socket.

A consumer takes one message from a channel. It answers by sending to the message's reply channel or
to a group. The engine delivers what it sent once it has returned. The channel session keeps its
state between the messages of one connection.

A message whose worker dies runs again. ``@once`` keeps what is said, edited and deleted from being
stored twice. The other consumers do without, as a second run does no harm: ``chat.presence`` finds
its row and tells the room again, a departure deletes a row that is gone, and the rest writes
nothing but the rates of addresses.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from channels_workers import Group
from channels_workers.auth import channel_session_user, channel_session_user_from_http
from channels_workers.declarations import declares, sends
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message as ChannelMessage
from channels_workers.once import once, roll_back
from channels_workers.security.websockets import configured_origins_only
from chat import changes, guests, lobby, names, presence
from chat.frames import Delete, Edit, Frame, FrameError, Said, Typing, WhoIsHere, as_text, parse
from chat.languages import in_language_of_socket
from chat.models import Message, Room
from chat.paces import ARRIVE, Pace
from chat.protocol import FROM_CLIENTS, LABEL, TO_LOBBY, TO_ONE, TO_ROOM, Error

#: Minimum time between two typing notices of a connection (s).
TYPING_PAUSE = 3.0


@sends(*TO_ROOM, group="chat-{label}")
@configured_origins_only
@channel_session_user_from_http
@in_language_of_socket
def ws_connect(message: ChannelMessage) -> None:
    """Let a browser into the room of ``/chat/<label>/``. The first one creates the room."""
    session = message.channel_session
    session["room"] = names.label_in(message["path"])
    guests.remember(message)
    try:
        come_in(session)
        presence.join(message, presence.visitor_of(message, ""))
    except FrameError as error:
        raise DenyConnection(f"Refused the socket {message['path']!r}: {error}") from None
    Group(f"chat-{session['room']}").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@declares(receives=FROM_CLIENTS, sends=TO_ONE, address="/chat/{label}/", parameters=LABEL)
@channel_session_user
@in_language_of_socket
def ws_receive(message: ChannelMessage) -> None:
    """Run the command in a frame. Only the sender gets its errors."""
    try:
        frame = parse(message.get("text"))
    except FrameError as error:
        message.reply_channel.send({"text": error.frame()})
        return
    if isinstance(frame, Said | Edit | Delete):
        answer_once(message, frame)
    else:
        answer(message, frame)


def answer(message: ChannelMessage, frame: Frame) -> bool:
    """Run the command in a frame; return False if it is refused, which is an answer too."""
    try:
        ANSWERS[type(frame)](message, frame)
    except FrameError as error:
        message.reply_channel.send({"text": error.about(frame).frame()})
        return False
    return True


@once
def answer_once(message: ChannelMessage, frame: Frame) -> None:
    """Store a message, or a change of one, in the transaction that also stores what it sends.

    Refusals store nothing: a client could fill the database with them.
    """
    if not answer(message, frame):
        roll_back()


@channel_session_user
def ws_disconnect(message: ChannelMessage) -> None:
    """Remove a closed socket from its room. A refused socket is in no room."""
    if room := message.channel_session.get("room"):
        Group(f"chat-{room}").discard(message.reply_channel)
    presence.leave(message.reply_channel.name)


def come_in(session: SessionBase) -> None:
    """Create the room if this socket is its first, or raise ``FrameError``."""
    if session["room"] is None:
        raise FrameError("forbidden", "This is no address of a room.")
    address = guests.address_of(session)
    Pace.objects.admit(ARRIVE, address)
    Room.objects.at(session["room"], address)


def say(message: ChannelMessage, said: Said) -> None:
    """Store a message and send it to the room."""
    visitor = presence.visitor_of(message, said.handle)
    signed = replace(said, handle=visitor.handle)
    address = guests.address_of(message.channel_session)
    stored, is_news = Message.objects.record(
        room_of(message), signed, visitor.person, visitor.account, address
    )
    hearers(message, is_news).send({"text": stored.frame()})
    if is_news:
        presence.speak_as(message, visitor)
        lobby.tell_active(stored.room)


def edit(message: ChannelMessage, wanted: Edit) -> None:
    """Edit a message of the sender."""
    speaker, address = guests.speaker(message), guests.address_of(message.channel_session)
    changed, is_news = changes.edit(room_of(message), wanted, speaker, address)
    hearers(message, is_news).send({"text": changed.change_frame()})


def delete(message: ChannelMessage, wanted: Delete) -> None:
    """Delete a message of the sender, or any message for the staff."""
    speaker, address = guests.speaker(message), guests.address_of(message.channel_session)
    changed, is_news = changes.delete(room_of(message), wanted, speaker, address)
    hearers(message, is_news).send({"text": changed.change_frame()})


def tell_typing(message: ChannelMessage, typing: Typing) -> None:
    """Tell the room that somebody is typing, every few seconds. Clients let it expire."""
    now = time.time()
    if 0 <= now - message.channel_session.get("typing", 0.0) < TYPING_PAUSE:
        return
    visitor = presence.visitor_of(message, typing.handle)
    message.channel_session["typing"] = now
    frame = {"type": "typing", **visitor.fields()}
    hearers(message).send({"text": as_text(frame)})


def tell_who_is_here(message: ChannelMessage, asked: WhoIsHere) -> None:
    """Answer with everybody in the room, even if the name in the frame is refused.

    Raises ``FrameError`` (too_fast) if the socket exceeds the rate for messages, or the address the
    rate for new sockets.
    """
    presence.check_rate(message.channel_session)
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
    """The receivers: the whole room for news, otherwise only the sender."""
    return Group(f"chat-{room_of(message)}") if is_news else message.reply_channel


ANSWERS: dict[type, Callable[[ChannelMessage, Any], None]] = {
    Said: say,
    Edit: edit,
    Delete: delete,
    Typing: tell_typing,
    WhoIsHere: tell_who_is_here,
}


@sends(*TO_LOBBY, group=lobby.GROUP)
@configured_origins_only
def lobby_connect(message: ChannelMessage) -> None:
    """Subscribe a page of the lobby to all rooms."""
    try:
        Pace.objects.admit(ARRIVE, guests.address_of_socket(message))
    except FrameError as error:
        raise DenyConnection(f"Refused the socket of the lobby: {error}") from None
    Group(lobby.GROUP).add(message.reply_channel)
    message.reply_channel.send({"accept": True})
    message.reply_channel.send({"text": lobby.frame(lobby.rooms())})


@sends(Error)
def lobby_receive(message: ChannelMessage) -> None:
    """Refuse frames: the lobby takes none."""
    error = FrameError("bad_message", "The lobby takes no frames; talk at /chat/<label>/.")
    message.reply_channel.send({"text": error.frame()})


def lobby_disconnect(message: ChannelMessage) -> None:
    """Remove a closed page of the lobby from its group."""
    Group(lobby.GROUP).discard(message.reply_channel)
