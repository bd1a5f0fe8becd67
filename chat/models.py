"""Rooms and what was said in them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from chat import names
from chat.frames import FrameError, Said


class RoomManager(models.Manager["Room"]):
    """Finds and makes rooms."""

    def at(self, label: str) -> Room:
        """The room at ``/<label>/``, made on the first visit."""
        return self.get_or_create(label=label, defaults={"name": label})[0]

    def named(self, name: str) -> Room:
        """The room for a clean name (``chat.names.clean``), made when it is not there yet."""
        label = names.label_of(name)
        room, _ = self.get_or_create(label=label, defaults={"name": name})
        if room.name == room.label != name:
            # Somebody came by the address before anybody had typed the name.
            room.name = name
            room.save(update_fields=["name"])
        return room

    def random(self) -> Room:
        """A new room with a random readable name."""
        while True:
            label = names.random_label()
            room, created = self.get_or_create(label=label, defaults={"name": label})
            if created:
                return room

    def recent(self, count: int) -> models.QuerySet[Room]:
        """Rooms in which something was said, the latest first."""
        return self.filter(active__isnull=False).order_by("-active")[:count]


class Room(models.Model):
    """A room: ``label`` stands in its address, ``name`` is what was typed for it."""

    name = models.CharField(max_length=names.NAME_LENGTH)
    label = models.SlugField(max_length=50, unique=True)
    active = models.DateTimeField("last message", null=True, editable=False, db_index=True)

    objects = RoomManager()

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The path of the room's page."""
        return f"/{self.label}/"


class MessageManager(models.Manager["Message"]):
    """Stores messages, each once, and reads them back in order."""

    def record(
        self, label: str, said: Said, person: str, delivery: str | None
    ) -> tuple[Message, bool]:
        """Store what ``person`` said, unless it is stored, and whether to tell the whole room.

        The room hears of a message that is new, and again of one that this same delivery stored
        before (its worker died, perhaps before anybody was told). It does not of a known nonce in
        another delivery: the sender alone tries again. The database's unique constraints decide,
        for a look before the insert would not see what another worker is inserting just now.

        Raises ``FrameError`` (forbidden) when the room is no more.
        """
        try:
            with transaction.atomic():
                room = self._hold(label, said.nonce)
                fields = {"handle": said.handle, "message": said.message, "nonce": said.nonce}
                return self.create(room=room, person=person, delivery=delivery, **fields), True
        except IntegrityError:
            known = self.filter(room__label=label)
            if delivery and (stored := known.filter(delivery=delivery).first()):
                return stored, True
            if said.nonce and (stored := known.filter(person=person, nonce=said.nonce).first()):
                return stored, False
            raise

    def _hold(self, label: str, nonce: str | None) -> Room:
        """The room, marked as active, which locks its row until the transaction ends.

        So the ids of one room become visible in ascending order: whoever asks for what came after
        an id will not miss a lower one that was stored later.
        """
        room = Room.objects.filter(label=label)
        if not room.update(active=timezone.now()):
            raise FrameError("forbidden", "This room is no more; load the page again.", nonce)
        return room.get()

    def newest(self, label: str, count: int) -> models.QuerySet[Message]:
        """The room's last messages, the latest first."""
        return self.filter(room__label=label).order_by("-id")[:count]

    def older(self, label: str, before: int, count: int) -> models.QuerySet[Message]:
        """Those before an id, the latest first."""
        return self.filter(room__label=label, id__lt=before).order_by("-id")[:count]

    def newer(self, label: str, after: int, count: int) -> models.QuerySet[Message]:
        """Those after an id, the earliest first."""
        return self.filter(room__label=label, id__gt=after).order_by("id")[:count]


class Message(models.Model):
    """What a person said in a room, under the name of ``handle``.

    ``person`` is who it was (``guest:<id>``), ``nonce`` the sender's own name for the message, and
    ``delivery`` the id of the channel message that brought it.
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

    objects = MessageManager()

    class Meta:
        indexes = [models.Index(fields=["room", "id"], name="chat_message_room_id")]
        # NULL is unlike NULL, so that no message without a nonce is refused. With a condition that
        # says so MySQL would leave the constraint out.
        constraints = [
            models.UniqueConstraint(
                fields=["room", "person", "nonce"], name="chat_message_once_per_nonce"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handle}: {self.message[:60]}"

    def fields(self) -> dict[str, Any]:
        """The message as pages get it: handle, message, timestamp (ISO 8601), id, perhaps nonce."""
        moment = self.timestamp.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        fields = {"handle": self.handle, "message": self.message, "timestamp": moment}
        return fields | {"id": self.pk} | ({} if self.nonce is None else {"nonce": self.nonce})

    def frame(self) -> str:
        """The message as the text of a frame."""
        return json.dumps(self.fields())
