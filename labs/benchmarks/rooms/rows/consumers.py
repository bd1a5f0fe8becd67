"""One INSERT and one group send, in each of the ways that a consumer can write."""

from django.db import transaction

from channels_workers import Group
from channels_workers.message import Message
from channels_workers.once import once
from channels_workers.sessions import channel_session
from labs.benchmarks.rooms.frames import frame_of
from labs.benchmarks.rooms.rows.models import Line


@channel_session
def plain(message: Message) -> None:
    """Store the message, and tell the room."""
    room = message.channel_session["room"]
    Line.objects.create(room=room, text=message["text"])
    Group(f"chat-{room}").send({"text": frame_of(message["text"])})


def atomic(message: Message) -> None:
    """Do the same in a transaction."""
    with transaction.atomic():
        plain(message)


exactly_once = once(plain)


@channel_session
async def plain_async(message: Message) -> None:
    """Do the same in a coroutine."""
    room = message.channel_session["room"]
    await Line.objects.acreate(room=room, text=message["text"])
    await Group(f"chat-{room}").asend({"text": frame_of(message["text"])})


exactly_once_async = once(plain_async)
