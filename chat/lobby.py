"""The lobby: recent and busy rooms, and the people in them.

Pages of the lobby open the socket ``/chat/``. It gets the full list first, then each room when it
changes.
"""

import datetime as dt
from typing import Any

from django.db.models import Count, Min, Q
from django.utils import timezone

from channels_workers import Group
from chat.frames import as_text
from chat.models import Presence, Room

GROUP = "lobby"
#: Limits of rooms in the lobby, and of names per room.
ROOMS, HANDLES = 20, 5
#: Minimum time between two notices of new messages in one room.
PAUSE = dt.timedelta(seconds=5)


def rooms() -> list[Room]:
    """The rooms to show: those with people first, then those with the latest messages.

    Each has ``people``, the number of people in it, and ``handles``, the names of the first ones.
    """
    busy = Presence.objects.values("room").annotate(people=Count("person", distinct=True))
    most = [row["room"] for row in busy.order_by("-people", "room")[:ROOMS]]
    latest = Room.objects.recent(ROOMS).values_list("pk", flat=True)
    found = _with_people(*Room.objects.filter(pk__in={*most, *latest}))
    long_ago = dt.datetime.min.replace(tzinfo=dt.UTC)
    found.sort(key=lambda room: (room.people > 0, room.active or long_ago), reverse=True)
    return found[:ROOMS]


def _with_people(*rooms: Room) -> list[Room]:
    """The rooms with ``people`` and ``handles`` filled in."""
    present = Presence.objects.filter(room__in=rooms).values("room")
    counted = present.annotate(people=Count("person", distinct=True))
    people = dict(counted.values_list("room", "people"))
    for room in rooms:
        room.people = people.get(room.pk, 0)
        room.handles = _handles(room) if room.people else []
    return list(rooms)


def _handles(room: Room) -> list[str]:
    named = room.presences.filter(~Q(handle="")).values("person", "handle")
    first = named.annotate(first=Min("pk")).order_by("first")
    return list(first.values_list("handle", flat=True)[:HANDLES])


def frame(rooms: list[Room]) -> str:
    """The rooms as the text of a frame."""
    return as_text({"type": "rooms", "rooms": [_fields(room) for room in rooms]})


def _fields(room: Room) -> dict[str, Any]:
    return {
        "label": room.label,
        "name": room.name,
        "active": room.active and room.active.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "people": room.people,
        "handles": room.handles,
        "revision": room.revision,
    }


def tell(room: Room) -> None:
    """Send the current state of a room to the lobby."""
    Group(GROUP).send({"text": frame(_with_people(room))})


def tell_active(room: Room) -> None:
    """Notify the lobby of new messages in a room, at most every :data:`PAUSE`."""
    now = timezone.now()
    if room.told is not None and now - PAUSE < room.told <= now:
        return
    known = Room.objects.filter(pk=room.pk, told=room.told)
    if known.update(told=now):  # only one of two workers sends it
        tell(room)
