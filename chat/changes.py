"""Edits and deletions of messages, each of which gets the next number of its room.

What was deleted stays as a row without text, so that who comes back later hears of it too. As with
messages, the room hears again of what the same delivery did before, for its worker may have died
before anybody was told; an edit that changes nothing is answered to its sender alone.
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

#: How many messages are deleted in one transaction.
AT_ONCE = 200


def edit(
    label: str, wanted: Edit, speaker: Speaker, delivery: str, address: str = ""
) -> tuple[Message, bool]:
    """Let a message say something else, and whether to tell the whole room.

    Raises ``FrameError``: not_found, forbidden for what another person said or what was said too
    long ago, too_fast.
    """
    with transaction.atomic():
        room, message = _find(label, wanted.id)
        if _is_done(message, delivery):
            return message, True
        if message.deleted:
            raise FrameError("not_found", gettext("This message was deleted."))
        now = timezone.now()
        _check_own(message, speaker, now)
        if message.message == wanted.message:
            return message, False
        _check_rate(speaker, now, address)
        message.message, message.edited_at = wanted.message, now
        _save(room, message)
        _note(message, speaker.person, now, delivery)
    return message, True


def delete(
    label: str, wanted: Delete, speaker: Speaker, delivery: str, address: str = ""
) -> tuple[Message, bool]:
    """Delete a message, and whether to tell the whole room; the staff may delete any, at any time.

    Raises ``FrameError`` as ``edit`` does.
    """
    with transaction.atomic():
        room, message = _find(label, wanted.id)
        if message.deleted:
            return message, _is_done(message, delivery)
        now = timezone.now()
        if not speaker.is_staff:
            _check_own(message, speaker, now)
            _check_rate(speaker, now, address)
        _empty(message)
        _save(room, message)
        _note(message, speaker.person, now, delivery)
    return message, True


def delete_all(messages: QuerySet[Message]) -> int:
    """Delete messages on behalf of the staff, tell their rooms, and say how many they were."""
    messages = messages.filter(deleted=False).select_related("room").order_by("pk")
    ids = [message.pk for message in messages]
    # Rooms are held in one order, so that two who do this do not wait for each other.
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
        # Who does not hear it now, hears it with the history.
        transaction.on_commit(partial(_tell, label, frames), robust=True)
    return len(found)


def _tell(label: str, frames: list[str]) -> None:
    for frame in frames:
        Group(f"chat-{label}").send({"text": frame})


def _find(label: str, pk: int) -> tuple[Room, Message]:
    """The room, held, and its message of that id."""
    room = Room.objects.hold(label)
    message = room.messages.filter(pk=pk).first()
    if message is None:
        detail = gettext("There is no message %(id)d in this room.") % {"id": pk}
        raise FrameError("not_found", detail)
    return room, message


def _is_done(message: Message, delivery: str) -> bool:
    """Whether this same delivery has changed the message before."""
    return bool(delivery) and message.changes.filter(delivery=delivery).exists()


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
    """Save a message that was changed, under the next number of its room, which is held."""
    room.change += 1
    room.save(update_fields=["change"])
    message.change = room.change
    message.save(update_fields=["handle", "message", "edited_at", "deleted", "change"])


def _note(message: Message, person: str, now: dt.datetime, delivery: str) -> None:
    message.changes.create(person=person, timestamp=now, delivery=delivery or None)
