"""Who is in a room now: one row per socket, one entry per person.

A row is created when a socket connects and deleted when it disconnects. Each socket gets one
disconnect, even if its server dies. ``chat.expire_presence`` deletes the rows of lost disconnects.

The room gets each change as a *delta*: somebody ``joined``, ``left`` or was ``renamed``. Deltas are
numbered by the room's ``revision``. The transaction that changes the rows locks the room and takes
the number. A client with the full list and all later deltas is therefore up to date. A client that
misses a number asks for the full list again.

A repeated delivery finds its work done. It then sends the delta under the next number: the previous
number may never have been sent, and clients that miss it ask.
"""

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils import timezone

from channels_workers import Group
from channels_workers.message import Message as ChannelMessage
from chat import guests, limits, lobby
from chat.frames import FrameError, as_text
from chat.models import Departure, Presence, Room

#: How long a departure is remembered: longer than a worker can be frozen and continue.
REMEMBERED = dt.timedelta(hours=1)

Delta = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Visitor:
    """A person and the name to show. The name is empty while it is unknown."""

    person: str
    handle: str
    account: bool = False

    def fields(self) -> dict[str, Any]:
        """The visitor as clients get it."""
        fields = {"who": guests.who_is(self.person), "handle": self.handle}
        return fields | ({"account": True} if self.account else {})


def visitor_of(message: ChannelMessage, handle: str) -> Visitor:
    """The sender of a message, under the name of the account or otherwise the typed one.

    Raises ``FrameError`` (forbidden) if a guest uses the name of an account.
    """
    speaker = guests.speaker(message)
    if speaker.handle is not None:
        return Visitor(speaker.person, speaker.handle, account=True)
    if handle:
        guests.check_handle(handle, speaker)
    return Visitor(speaker.person, handle)


def join(message: ChannelMessage, visitor: Visitor) -> None:
    """Add the socket of a message to its room."""
    _appear(message, visitor)


def speak_as(message: ChannelMessage, visitor: Visitor) -> None:
    """Show the sender of a message under this name, if it has changed."""
    if _is_new(message, visitor):
        _appear(message, visitor)


def come_back(message: ChannelMessage, visitor: Visitor) -> None:
    """Do the same as ``speak_as``, and join again if the socket was removed as lost."""
    row = Presence.objects.filter(reply_channel=message.reply_channel.name).first()
    if row is None or visitor.handle not in {"", row.handle}:  # gone, or renamed by another tab
        _appear(message, visitor)
    else:
        speak_as(message, visitor)


def _is_new(message: ChannelMessage, visitor: Visitor) -> bool:
    person, handle = message.channel_session.get("shown", ["", ""])
    return bool(person != visitor.person or visitor.handle not in {"", handle})


def check_rate(session: SessionBase) -> None:
    """Count a socket's request for the list. ``FrameError`` (too_fast) above the rate limit."""
    if (rate := settings.CHAT_RATE_LIMIT) is None:
        return
    now = timezone.now()
    times = [dt.datetime.fromisoformat(time) for time in session.get("asked", [])]
    limits.admit(times, now, rate)
    session["asked"] = [time.isoformat() for time in [*times, now][-rate[0] :]]


def _appear(message: ChannelMessage, visitor: Visitor) -> None:
    session = message.channel_session
    found = {"guest": session.get("guest", visitor.person), "login": session.get("login", "")}
    row = Presence(reply_channel=message.reply_channel.name, **found)
    handle = show(session["room"], row, visitor, message["order"])
    session["shown"] = [visitor.person, handle]


def show(label: str, row: Presence, visitor: Visitor, order: int | None = None) -> str:
    """Put a socket into the room as this visitor, notify the room, and return the shown name.

    The row is the socket's, stored or new. A visitor without a name gets the name on the person's
    other sockets. ``order`` is the order of the message that requests this, if there is one. An old
    message, from a worker that was frozen, changes nothing.
    """
    with transaction.atomic():
        room = Room.objects.hold(label)
        if Departure.objects.filter(reply_channel=row.reply_channel).exists():
            return visitor.handle
        known = room.presences.filter(reply_channel=row.reply_channel).first()
        if known is not None and order is not None and known.order >= order:
            visitor = _entries(room, [known.person])[known.person]
            frames = _number(room, [{"joined": visitor.fields()}] if known.order == order else [])
        else:
            visitor, deltas = _place(room, known or row, visitor, order)
            frames = _number(room, deltas)
    _tell(room, frames)
    return visitor.handle


def _place(
    room: Room, row: Presence, visitor: Visitor, order: int | None
) -> tuple[Visitor, list[Delta]]:
    """Save the row for this visitor. Return the visitor shown, and the deltas."""
    former = row.person
    before = _entries(room, {former, visitor.person})
    if not visitor.handle:
        visitor = before.get(visitor.person, visitor)
    fields = {"handle": visitor.handle, "account": visitor.account}
    if before.get(visitor.person, visitor) != visitor:
        room.presences.filter(person=visitor.person).update(**fields)  # one name in all tabs
    row.room, row.person = room, visitor.person
    row.handle, row.account = visitor.handle, visitor.account
    row.order = row.order if order is None else order
    row.save()
    deltas = []
    if former not in {"", visitor.person} and not _entries(room, {former}):
        deltas.append(_left(former))
    if visitor.person not in before:
        deltas.append({"joined": visitor.fields()})
    elif before[visitor.person] != visitor:
        deltas.append({"renamed": visitor.fields()})
    elif order is None:
        deltas.append({"joined": visitor.fields()})  # this may be a retry
    return visitor, deltas


def leave(reply_channel: str) -> None:
    """Remove a socket from its room, if it is in one."""
    row = _last_known(Presence, reply_channel) or _last_known(Departure, reply_channel)
    if row is not None:
        with suppress(FrameError):  # somebody has just deleted the room
            _leave(row.room.label, reply_channel)


def _last_known(
    model: type[Presence | Departure], reply_channel: str
) -> Presence | Departure | None:
    found = model.objects.filter(reply_channel=reply_channel)
    row: Presence | Departure | None = found.select_related("room").first()
    return row


def _leave(label: str, reply_channel: str) -> None:
    with transaction.atomic():
        room = Room.objects.hold(label)
        row = room.presences.filter(reply_channel=reply_channel).first()
        if row is not None:
            row.delete()
            room.departures.filter(timestamp__lt=timezone.now() - REMEMBERED).delete()
            room.departures.create(reply_channel=reply_channel, person=row.person)
        person = row.person if row else room.departures.get(reply_channel=reply_channel).person
        is_gone = not room.presences.filter(person=person).exists()
        frames = _number(room, [_left(person)] if is_gone else [])
    _tell(room, frames)


def itself(message: ChannelMessage) -> dict[str, Any]:
    """The person of a socket, as clients get it. It may differ from the person of its page."""
    speaker = guests.speaker(message)
    return Visitor(speaker.person, speaker.handle or "", speaker.handle is not None).fields()


def whole(label: str, you: dict[str, Any] | None = None) -> str:
    """The frame with everybody in the room, for the person ``you``."""
    room = Room.objects.filter(label=label).first()
    if room is None:
        raise FrameError("forbidden", "This room is no more; load the page again.")
    # Read after the revision: newer deltas arrive again and change nothing.
    here = [visitor.fields() for visitor in _entries(room).values()]
    frame = {"type": "presence", "revision": room.revision, "here": here}
    return as_text(frame if you is None else frame | {"you": you})


def _entries(room: Room, persons: Iterable[str] | None = None) -> dict[str, Visitor]:
    """The people in the room, or those of ``persons`` in it, in order of arrival."""
    found = room.presences.order_by("pk")
    if persons is not None:
        found = found.filter(person__in=list(persons))
    entries: dict[str, Visitor] = {}
    for values in found.values_list("person", "handle", "account"):
        entries.setdefault(values[0], Visitor(*values))
    return entries


def _left(person: str) -> Delta:
    return {"left": {"who": guests.who_is(person)}}


def _number(room: Room, deltas: list[Delta]) -> list[str]:
    """The frames for the deltas, each with the next revision of the locked room."""
    frames = []
    for delta in deltas:
        room.revision += 1
        frames.append(as_text({"type": "presence", "revision": room.revision, **delta}))
    if frames:
        room.save(update_fields=["revision"])
    return frames


def _tell(room: Room, frames: list[str]) -> None:
    for frame in frames:
        Group(f"chat-{room.label}").send({"text": frame})
    if frames:
        lobby.tell(room)
