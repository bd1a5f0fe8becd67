"""Edits and deletions of messages. Each gets the next change number of its room.

A deleted message stays as a row without text, so that clients that come back later learn of it. An
edit that changes nothing, and a second deletion, are answered to their sender only.
"""

import datetime as dt
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from channels_workers import Group
from chat import limits
from chat.frames import Delete, Edit, FrameError
from chat.guests import Speaker
from chat.models import Change, Message, Room
from chat.paces import SAY, Pace

#: Limit of messages deleted in one transaction.
AT_ONCE = 200


def edit(label: str, wanted: Edit, speaker: Speaker, address: str = "") -> tuple[Message, bool]:
    """Edit a message. Returns it, and whether it changed. Call it in a transaction.

    Raises ``FrameError``: not_found, too_fast, or forbidden for messages of other people and for
    messages that are too old.
    """
    room, message = _find(label, wanted.id)
    if message.deleted:
        raise FrameError("not_found", gettext("This message was deleted."))
    now = timezone.now()
    _check_own(message, speaker, now)
    if message.message == wanted.message:
        return message, False
    _check_rate(speaker, now, address)
    message.message, message.edited_at = wanted.message, now
    _save(room, message)
    message.changes.create(person=speaker.person, timestamp=now)
    return message, True


def delete(label: str, wanted: Delete, speaker: Speaker, address: str = "") -> tuple[Message, bool]:
    """Delete a message. Returns it, and whether it changed. Staff may delete any.

    Call it in a transaction. Raises ``FrameError`` as ``edit`` does.
    """
    room, message = _find(label, wanted.id)
    if message.deleted:
        return message, False
    now = timezone.now()
    if not speaker.is_staff:
        _check_own(message, speaker, now)
        _check_rate(speaker, now, address)
    _empty(message)
    _save(room, message)
    message.changes.create(person=speaker.person, timestamp=now)
    return message, True


def delete_all(messages: QuerySet[Message]) -> int:
    """Delete messages for the staff, notify their rooms, and return the number of messages."""
    messages = messages.filter(deleted=False).select_related("room").order_by("pk")
    ids = [message.pk for message in messages]
    # Rooms are locked in one order, so that two of these calls cannot deadlock.
    labels = sorted({message.room.label for message in messages})
    steps = [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]
    return sum(_delete_in(label, some) for label in labels for some in steps)


def _delete_in(label: str, ids: list[int]) -> int:
    with transaction.atomic():
        room = Room.objects.hold(label)
        found = list(room.messages.filter(pk__in=ids, deleted=False).order_by("pk"))
        for message in found:
            _empty(message)
            _save(room, message)
        frames = [message.change_frame() for message in found]
        # Clients that miss this get it from the history.
        transaction.on_commit(partial(_tell, label, frames), robust=True)
    return len(found)


def _tell(label: str, frames: list[str]) -> None:
    for frame in frames:
        Group(f"chat-{label}").send({"text": frame})


def _find(label: str, pk: int) -> tuple[Room, Message]:
    """The locked room, and its message with this id."""
    room = Room.objects.hold(label)
    message = room.messages.filter(pk=pk).first()
    if message is None:
        detail = gettext("There is no message %(id)d in this room.") % {"id": pk}
        raise FrameError("not_found", detail)
    return room, message


def _check_own(message: Message, speaker: Speaker, now: dt.datetime) -> None:
    if message.person != speaker.person:
        detail = gettext("Somebody else said this; only own messages can be changed.")
        raise FrameError("forbidden", detail)
    if now - message.timestamp > dt.timedelta(seconds=settings.CHAT_EDIT_TIME):
        detail = gettext("A message can be changed for %(count)g minutes only.")
        raise FrameError("forbidden", detail % {"count": settings.CHAT_EDIT_TIME / 60})


def _check_rate(speaker: Speaker, now: dt.datetime, address: str) -> None:
    if (rate := settings.CHAT_RATE_LIMIT) is not None:
        since = limits.since(now, rate)
        recent = Change.objects.filter(person=speaker.person, timestamp__gt=since)
        times = recent.order_by("-timestamp").values_list("timestamp", flat=True)
        limits.admit(list(times[: rate[0]]), now, rate)
    Pace.objects.admit(SAY, address)


def _empty(message: Message) -> None:
    message.handle = message.message = ""
    message.deleted = True


def _save(room: Room, message: Message) -> None:
    """Save a changed message under the next change number of its locked room."""
    room.change += 1
    room.save(update_fields=["change"])
    message.change = room.change
    message.save(update_fields=["handle", "message", "edited_at", "deleted", "change"])
