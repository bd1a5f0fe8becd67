"""Turns the sockets of an ended log-in into guests."""

from contextlib import suppress

from channels_workers import Channel
from channels_workers.message import Message
from chat import presence
from chat.accounts.signals import LOGGED_OUT
from chat.frames import FrameError, as_text
from chat.models import Presence
from chat.presence import Visitor


def logged_out(message: Message) -> None:
    """Make the sockets of ``login`` (one browser) or of ``person`` anonymous."""
    if person := message.get("person"):
        # One message each, which finds its sockets again if it runs again.
        found = Presence.objects.filter(person=person).exclude(login="")
        for login in found.values_list("login", flat=True).distinct():
            Channel(LOGGED_OUT).send({"login": login})
    elif login := message.get("login"):
        for row in Presence.objects.filter(login=login).select_related("room"):
            with suppress(FrameError):  # somebody has just deleted the room
                _make_anonymous(row)


def _make_anonymous(row: Presence) -> None:
    """Turn a socket into the guest of its cookie. Tell the room and the socket's page."""
    handle = presence.show(row.room.label, row, Visitor(row.guest, ""))
    fields = Visitor(row.guest, handle).fields()
    frame = {"type": "account", **fields, "account": False}
    Channel(row.reply_channel).send({"text": as_text(frame)})
