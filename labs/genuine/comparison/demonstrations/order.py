"""The order of one client's messages with two threads."""

from __future__ import annotations

from labs.genuine.comparison.demonstrations.visitor import (
    DIFFERENCES,
    hear,
    open_socket,
    start,
)
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.site import Site


def observe(site: Site) -> Seen:
    """Send a frame with a slow consumer, then one with a quick consumer."""
    start(site, threads=2)
    with open_socket(site, "/echo/") as socket:
        socket.send("slow")
        socket.send("quick")
        heard = hear(socket, 2)
    in_order = heard == ["slow", "quick"]
    return Seen("answers in order" if in_order else "answers out of order", ", ".join(heard))


ORDER = OnPurpose(
    name="order-of-a-client",
    reason="The messages of one socket run one at a time, in order, with any number of "
    "workers. In 1.1.8 only with enforce_ordering.",
    genuine="answers out of order",
    ours="answers in order",
    application=DIFFERENCES,
    observe=observe,
)
