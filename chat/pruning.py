"""Deletes rows that are no longer needed, so that the database does not grow without limit.

``chat.expire_presence`` runs it in each worker process, at the start and every ten minutes.
``manage.py prunechat`` runs it at once.
"""

import datetime as dt
import logging
import time
from contextlib import suppress
from importlib import import_module

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from channels_workers.logs import fields
from chat import presence
from chat.frames import FrameError
from chat.models import Change, Departure, Room
from chat.paces import Pace

logger = logging.getLogger(__name__)

#: Seconds between two runs in a process.
PAUSE = 600.0
#: How long changes of messages are kept: longer than an edit is allowed, or a retry can take.
CHANGES = dt.timedelta(days=1)
#: Limit of rooms per run.
ROOMS = 500

_next = 0.0


def now_and_then() -> None:
    """Prune, if this process has not done so for a while. Failures are logged."""
    global _next
    if time.monotonic() < _next:
        return
    _next = time.monotonic() + PAUSE
    try:
        prune()
    except DatabaseError as error:
        text = "Pruning failed and will be tried again: %s"
        logger.warning(text, error, extra=fields("prune_failed"))


def prune() -> int:
    """Delete these rows. Return the number of deleted rooms."""
    now = timezone.now()
    Departure.objects.filter(timestamp__lt=now - presence.REMEMBERED).delete()
    Change.objects.filter(timestamp__lt=now - CHANGES).delete()
    Pace.objects.forget()
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return _prune_rooms(now)


def _prune_rooms(now: dt.datetime) -> int:
    """Delete old rooms without messages and people."""
    if not (life := settings.CHAT_EMPTY_ROOM_TIME):
        return 0
    old = Room.objects.filter(made__lt=now - dt.timedelta(seconds=life), active=None)
    unused = old.filter(presences=None, messages=None).order_by("pk")
    labels = list(unused.values_list("label", flat=True)[:ROOMS])
    return sum(map(_delete_if_unused, labels))


def _delete_if_unused(label: str) -> bool:
    with suppress(FrameError), transaction.atomic():  # it may be gone already
        room = Room.objects.hold(label)  # a new visitor waits for this and creates it again
        if not (room.presences.exists() or room.messages.exists()):
            room.delete()
            return True
    return False
