"""The load on Redis."""

from __future__ import annotations

import time
from contextlib import ExitStack

from labs.genuine.comparison.demonstrations.visitor import (
    DIFFERENCES,
    count_commands,
    count_reads,
    hear,
    open_socket,
    start,
)
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.site import Site

#: How long to count (s), and from how many reads per second on it counts as polling.
PERIOD, POLLING = 4, 8

MEMBERS = 50


def observe_idle(site: Site) -> Seen:
    """Count how often the processes ask for messages while an idle socket is open."""
    start(site)
    with open_socket(site, "/echo/") as socket, site.redis.client() as redis:
        socket.send("ready")
        hear(socket, 1)
        before = count_reads(redis)
        time.sleep(PERIOD)
        rate = (count_reads(redis) - before) / PERIOD
    return Seen("polls" if rate > POLLING else "waits", f"{rate:.1f} reads a second")


def observe_group(site: Site) -> Seen:
    """Count commands while a message goes to a large group."""
    start(site)
    with ExitStack() as stack, site.redis.client() as redis:
        members = [stack.enter_context(open_socket(site, "/members/")) for _ in range(MEMBERS)]
        before = count_commands(redis)
        members[0].send("hello")
        for member in members:
            hear(member, 1)
        number = count_commands(redis) - before
    what = "a command or more for each member" if number >= MEMBERS else "fewer than members"
    return Seen(what, f"{number} commands for {MEMBERS} members")


IDLE = OnPurpose(
    name="no-polling",
    reason="All processes wait in blocking reads, with a heartbeat once a second. Daphne 1.4.2 "
    "asks Redis for replies 20 times a second.",
    genuine="polls",
    ours="waits",
    application=DIFFERENCES,
    observe=observe_idle,
)
GROUP = OnPurpose(
    name="cost-of-a-group",
    reason="A group send is one entry per interface server, which knows its members. 1.1.8 "
    "sends to each member.",
    genuine="a command or more for each member",
    ours="fewer than members",
    application=DIFFERENCES,
    observe=observe_group,
)
