"""Finds the room of a URL. The first socket creates it, a page view does not."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import connections, models, router
from django.utils.translation import gettext

from chat import names
from chat.frames import FrameError
from chat.paces import MAKE_ROOM, Pace

if TYPE_CHECKING:
    from chat.models import Room

    RoomManagerOfDjango = models.Manager[Room]
else:
    RoomManagerOfDjango = models.Manager


# Raw SQL, because each message runs it: see chat.paces.
_NOTE = "UPDATE chat_room SET active = %s WHERE id = %s"


class RoomManager(RoomManagerOfDjango):
    """Finds and creates rooms."""

    def seen_at(self, label: str) -> Room:
        """The room at ``/<label>/``. An unsaved one if nobody has come in yet."""
        return self.filter(label=label).first() or self.model(label=label, name=label)

    def at(self, label: str, address: str = "", name: str | None = None) -> Room:
        """The room at ``/<label>/``. Creates it if it does not exist.

        Raises ``FrameError`` (too_fast) if the address has created too many.
        """
        if (room := self.filter(label=label).first()) is not None:
            return room
        Pace.objects.admit(MAKE_ROOM, address)
        return self.get_or_create(label=label, defaults={"name": name or label})[0]

    def named(self, name: str, address: str = "") -> Room:
        """The room for a clean name (``chat.names.clean``). Creates it if it does not exist.

        Raises ``FrameError`` (too_fast) if the address has created too many.
        """
        room = self.at(names.label_of(name), address, name)
        if room.name == room.label != name:
            # Somebody opened the URL before anybody typed the name.
            room.name = name
            room.save(update_fields=["name"])
        return room

    def of_old(self, typed: str) -> Room | None:
        """The existing room with a name that is no longer allowed, if there is one."""
        try:
            name = names.collapsed(typed)
        except names.BadName:
            return None
        if len(name) > names.NAME_LENGTH or names.has_controls(name):
            return None
        return self.filter(name=name, label=names.label_of(name)).first()

    def random(self) -> Room:
        """An unsaved room with a random, readable and unused name."""
        while True:
            room = self.seen_at(names.random_label())
            if room._state.adding:
                return room

    def recent(self, count: int) -> models.QuerySet[Room]:
        """Rooms with messages, latest activity first."""
        return self.filter(active__isnull=False).order_by("-active")[:count]

    def note_active(self, room: Room, now: dt.datetime) -> None:
        """Note a message in the room."""
        room.active = now
        using = connections[router.db_for_write(self.model)]
        with using.cursor() as cursor:
            cursor.execute(_NOTE, [using.ops.adapt_datetimefield_value(now), room.pk])

    def hold(self, label: str) -> Room:
        """The room, with its row locked until the transaction ends.

        Raises ``FrameError`` (forbidden) if the room is gone.
        """
        try:
            return self.select_for_update().get(label=label)
        except self.model.DoesNotExist:
            detail = gettext("This room is no more; load the page again.")
            raise FrameError("forbidden", detail) from None
