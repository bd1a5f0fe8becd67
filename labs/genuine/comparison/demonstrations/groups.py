"""When group membership begins and ends."""

from __future__ import annotations

from typing import Any

from channels_workers.layers.base import FORMAT_VERSION
from labs.genuine.comparison.demonstrations.visitor import (
    DIFFERENCES,
    SILENCE,
    TIMEOUT,
    hear,
    open_socket,
    patience,
    start,
)
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.site import Site
from labs.harness.waiting import wait_for

#: Set for the demonstration (s).
EXPIRY = 1


def observe_leave(site: Site) -> Seen:
    """Disconnect without a discard, and look into the group after the disconnect has run."""
    start(site)
    with site.redis.client() as redis:
        socket = open_socket(site, "/members/")
        if not count_members(site, redis):
            return Seen("was never in the group")
        socket.close()
        try:
            wait_for(lambda: not count_members(site, redis), "an empty group", patience(site))
        except AssertionError:
            return Seen("stays in the group")
    return Seen("is out of the group")


def count_members(site: Site, redis: Any) -> int:
    """Return the number of channels in the group in 1.1.8, and of servers in ours."""
    if site.engine.rewritten:
        return int(redis.hlen(f"channels:{FORMAT_VERSION}:group:members"))
    return int(redis.zcard("asgi::group:members"))


def observe_expiry(site: Site) -> Seen:
    """Stay in a group for longer than memberships live in 1.1.8, then receive a message."""
    start(site)
    with open_socket(site, "/members/") as socket, site.redis.client() as redis:
        heard = hear(socket, 1, SILENCE if site.engine.rewritten else TIMEOUT)
        members = count_members(site, redis)
        if not heard:
            socket.send("still here")
            heard = hear(socket, 1)
    stays = heard == ["still here"] and members > 0
    is_gone = not stays and members == 0
    what = "stays a member" if stays else "is closed, out of the group" if is_gone else "is closed"
    return Seen(what, ", ".join(heard))


LEAVE = OnPurpose(
    name="leave-without-discard",
    reason="A closed socket is in no group. In 1.1.8 it remains for a day and receives sends.",
    genuine="stays in the group",
    ours="is out of the group",
    application=DIFFERENCES,
    observe=observe_leave,
)
EXPIRES = OnPurpose(
    name="memberships-stay",
    reason="Memberships do not expire, and no socket is closed for its age. In 1.1.8 both "
    "happen after a day (1 s here, by its setting).",
    genuine="is closed, out of the group",
    ours="stays a member",
    application=DIFFERENCES,
    observe=observe_expiry,
    layer={"group_expiry": EXPIRY},
)
