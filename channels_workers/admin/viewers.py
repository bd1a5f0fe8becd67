"""Who watches the status page: a row for each open socket, so that each push can check all of them.

A socket is in a group exactly as long as it has a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from channels_workers import tables
from channels_workers.auth import user_of_browser
from channels_workers.layers.base import WorkerLayer
from channels_workers.session_stores import browser_session

#: How many sockets may watch, in the whole project. One more is refused, and its page asks instead.
VIEWERS = 50

#: A push came this recently if pushes go on (s).
RECENT = 5.0

PERMISSION = "channels_workers.view_status"


def viewers() -> QuerySet[Any]:
    """Return the rows."""
    return tables.model("StatusViewer")._base_manager.all()


def group_of(alias: str) -> str:
    """Return the name of the group of those who watch the layer *alias*."""
    name = hashlib.blake2b(alias.encode(), digest_size=16).hexdigest()
    return f"channels_workers.status.{name}"


def may_view(user: Any) -> bool:
    """Say whether *user* may see the status."""
    is_staff = user.is_active and getattr(user, "is_staff", False)
    return bool(is_staff and user.has_perm(PERMISSION))


def is_full(channel: str) -> bool:
    """Say whether there are as many viewers as may be, beside the socket *channel*."""
    return viewers().exclude(channel=channel).count() >= VIEWERS


def are_pushed(channel: str) -> bool:
    """Say whether pushes to viewers beside the socket *channel* go on."""
    others = viewers().exclude(channel=channel).annotate(now=Now()).order_by("-at")
    newest = others.values_list("at", "now").first()
    return newest is not None and (newest[1] - newest[0]).total_seconds() < RECENT


def add(channel: str, session: str, alias: str) -> None:
    """Add the socket *channel*, which the HTTP session with the key *session* has opened.

    It may be there: its message runs again if its worker dies.
    """
    viewers().update_or_create(channel=channel, defaults={"session": session, "layer": alias})


def remove(channels: Collection[str]) -> None:
    """Remove the sockets *channels*, those that are there."""
    viewers().filter(channel__in=channels).delete()


def note_push(channels: Collection[str]) -> None:
    """Note that the sockets *channels* are pushed to now."""
    viewers().filter(channel__in=channels).update(at=Now())


def checked(layer: WorkerLayer) -> tuple[list[Any], list[Any]]:
    """Return the rows that may watch, and those that may not or whose socket has ended.

    Raises LayerUnavailable while the layer does not know that.
    """
    rows = list(viewers().order_by("pk"))
    alive = layer.connected([row.channel for row in rows])
    known: dict[str, bool] = {}
    allowed, refused = list[Any](), list[Any]()
    for row in rows:
        is_allowed = row.channel in alive and len(allowed) < VIEWERS and _may(row.session, known)
        (allowed if is_allowed else refused).append(row)
    return allowed, refused


def _may(session: str, known: dict[str, bool]) -> bool:
    if session not in known:
        known[session] = may_view(user_of_browser(browser_session(session)))
    return known[session]
