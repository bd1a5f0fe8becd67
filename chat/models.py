"""Rooms, their messages, and who is in them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import connections, models, router
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from chat import guests, limits, names
from chat.frames import Said, as_text
from chat.paces import SAY, Pace
from chat.rooms import RoomManager


class Room(models.Model):
    """A room. ``label`` is part of its URL, ``name`` is what a person typed.

    ``made`` is when the first person came in. ``change`` counts edits and deletions, ``revision``
    counts changes of presence. ``told`` is when the lobby was last notified of new messages.
    """

    name = models.CharField(max_length=names.NAME_LENGTH)
    label = models.SlugField(max_length=50, unique=True)
    made = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    active = models.DateTimeField("last message", null=True, editable=False, db_index=True)
    told = models.DateTimeField(null=True, editable=False)
    change = models.BigIntegerField(default=0, db_default=0, editable=False)
    revision = models.BigIntegerField(default=0, db_default=0, editable=False)

    #: The number of people in the room and the names of some, filled in for the lobby.
    people: int
    handles: list[str]

    objects = RoomManager()

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The path of the room's page."""
        return reverse("room", kwargs={"label": self.label})


# Raw SQL, because each message runs it: see chat.paces.
_FIND = "SELECT id FROM chat_message WHERE room_id = %s AND person = %s AND nonce = %s"


class MessageManager(models.Manager["Message"]):
    """Stores messages, and reads them in order."""

    def record(
        self, label: str, said: Said, person: str, account: bool = False, address: str = ""
    ) -> tuple[Message, bool]:
        """Store a message. Returns it, and whether it is new. Call it in a transaction.

        A nonce that the person has used in this room is a retry, and its message is stored already.

        The room stays locked until the transaction ends. So nobody else stores this nonce after the
        look-up, and the ids of one room become visible in ascending order. A client that asks for
        messages after an id cannot miss a lower one that is stored later.

        Raises ``FrameError``: forbidden if the room is gone, or too_fast.
        """
        room, now = Room.objects.hold(label), timezone.now()
        if said.nonce and (stored := self._said(room, person, said.nonce)):
            return stored, False
        self._admit(person, address, now)
        Room.objects.note_active(room, now)
        fields = {"handle": said.handle, "message": said.message, "nonce": said.nonce}
        return self.create(room=room, person=person, account=account, timestamp=now, **fields), True

    def _said(self, room: Room, person: str, nonce: str) -> Message | None:
        with connections[router.db_for_write(self.model)].cursor() as cursor:
            cursor.execute(_FIND, [room.pk, person, nonce])
            found = cursor.fetchone()
        return self.get(pk=found[0]) if found else None

    def _admit(self, person: str, address: str, now: dt.datetime) -> None:
        """Count a message, or raise ``FrameError`` (too_fast)."""
        if (rate := settings.CHAT_RATE_LIMIT) is not None:
            limits.admit(self._times(person, limits.since(now, rate), rate[0]), now, rate)
        Pace.objects.admit(SAY, address)

    def _times(self, person: str, since: dt.datetime, count: int) -> list[dt.datetime]:
        """The times of the person's last messages, in any room."""
        said = self.filter(person=person, timestamp__gt=since).order_by("-timestamp")
        return list(said.values_list("timestamp", flat=True)[:count])

    def newest(self, label: str, count: int) -> models.QuerySet[Message]:
        """The room's last messages, the latest first."""
        return self.filter(room__label=label).order_by("-id")[:count]

    def older(self, label: str, before: int, count: int) -> models.QuerySet[Message]:
        """The messages before an id, the latest first."""
        return self.filter(room__label=label, id__lt=before).order_by("-id")[:count]

    def newer(self, label: str, after: int, count: int) -> models.QuerySet[Message]:
        """The messages after an id, the earliest first."""
        return self.filter(room__label=label, id__gt=after).order_by("id")[:count]

    def changed(self, label: str, since: int, until: int, count: int) -> models.QuerySet[Message]:
        """The messages up to the id ``until`` that changed after ``since``, in order."""
        found = self.filter(room__label=label, change__gt=since, id__lte=until)
        return found.order_by("change")[:count]


class Message(models.Model):
    """A message of a person in a room, under the name ``handle``.

    ``person`` is the author: ``user:<pk>`` of an ``account``, or ``guest:<id>``. ``nonce`` is the
    sender's own id for the message. ``change`` is the room's number of its last edit or its
    deletion. A deleted message keeps only its place. Only releases before ``@once`` use
    ``delivery``, which is kept for their workers, as they run during an upgrade.
    """

    room = models.ForeignKey(
        Room, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    handle = models.CharField(max_length=200)
    message = models.TextField()
    timestamp = models.DateTimeField(default=timezone.now, db_index=True)
    person = models.CharField(max_length=80, blank=True)
    nonce = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001
    delivery = models.CharField(max_length=200, null=True, blank=True, unique=True, editable=False)
    account = models.BooleanField(default=False, db_default=False)
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted = models.BooleanField(default=False, db_default=False)
    change = models.BigIntegerField(default=0, db_default=0, editable=False)

    objects = MessageManager()

    class Meta:
        indexes = [
            models.Index(fields=["room", "id"], name="chat_message_room_id"),
            models.Index(fields=["room", "change"], name="chat_message_room_change"),
            models.Index(fields=["person", "timestamp"], name="chat_message_person_time"),
        ]
        # NULL differs from NULL, so messages without a nonce are accepted. With a condition that
        # says so, Django would leave the constraint out on MySQL.
        constraints = [
            models.UniqueConstraint(
                fields=["room", "person", "nonce"], name="chat_message_once_per_nonce"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handle}: {self.message[:60]}"

    @property
    def who(self) -> str:
        """The public id of the person."""
        return guests.who_is(self.person)

    def fields(self) -> dict[str, Any]:
        """The message as clients get it. ``docs/chat/socket.md`` describes the fields."""
        fields: dict[str, Any] = {
            "handle": self.handle,
            "message": self.message,
            "timestamp": _moment(self.timestamp),
            "id": self.pk,
            "who": self.who,
        }
        if self.nonce is not None:
            fields["nonce"] = self.nonce
        if self.account:
            fields["account"] = True
        if self.deleted:
            return fields | {"deleted": True}
        return fields | ({"edited": _moment(self.edited_at)} if self.edited_at else {})

    def frame(self) -> str:
        """The message as the text of a frame."""
        return as_text(self.fields())

    def change_frame(self) -> str:
        """The last edit, or the deletion, as the text of a frame."""
        kind = "deleted" if self.deleted else "edited"
        return as_text({"type": kind, "change": self.change, **self.fields()})


class Change(models.Model):
    """An edit or a deletion of a message by a person, for the rate limit.

    ``delivery`` is kept for workers of releases before ``@once``.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="changes")
    person = models.CharField(max_length=80)
    timestamp = models.DateTimeField()
    delivery = models.CharField(max_length=200, null=True, unique=True)  # noqa: DJ001

    class Meta:
        indexes = [models.Index(fields=["person", "timestamp"], name="chat_change_person_time")]

    def __str__(self) -> str:
        return f"{self.message_id} at {self.timestamp}"


class Presence(models.Model):
    """One socket in a room, and the person it speaks as.

    It falls back to ``guest`` when the log-in of ``person`` ends. ``login`` is the id of the log-in
    that opened it, "" for none. ``order`` is the order of the last message that changed the row.
    """

    room = models.ForeignKey(
        Room, on_delete=models.CASCADE, related_name="presences", db_index=False
    )
    reply_channel = models.CharField(max_length=200, unique=True)
    person = models.CharField(max_length=80)
    handle = models.CharField(max_length=200, blank=True)
    account = models.BooleanField(default=False)
    guest = models.CharField(max_length=80)
    login = models.CharField(max_length=64, blank=True, db_index=True)
    order = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["room", "person"], name="chat_presence_room_person")]

    def __str__(self) -> str:
        return f"{self.handle or self.person} in {self.room_id}"


class Departure(models.Model):
    """A socket that has left its room.

    The row stays for an hour. A worker that was frozen must not let the socket in again, and a
    repeated departure must be announced again.
    """

    room = models.ForeignKey(
        Room, on_delete=models.CASCADE, related_name="departures", db_index=False
    )
    reply_channel = models.CharField(max_length=200, unique=True)
    person = models.CharField(max_length=80)
    timestamp = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["room", "timestamp"], name="chat_departure_room_time")]

    def __str__(self) -> str:
        return f"{self.person} from {self.room_id}"


def _moment(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
