"""A worker that is stopped in the middle of a message."""

from __future__ import annotations

import signal

from labs.genuine.comparison.demonstrations.visitor import (
    DIFFERENCES,
    hear,
    open_socket,
    patience,
    start,
)
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.site import Site


def observe(site: Site) -> Seen:
    """Stop the worker when a consumer has begun."""
    worker = start(site, threads=2)
    with open_socket(site, "/work/") as socket:
        socket.send("work")
        begun = hear(socket, 1)
        worker.signal(signal.SIGTERM)
        heard = begun + hear(socket, 1, patience(site))
    is_done = heard == ["begun", "done"]
    return Seen("finishes the message" if is_done else "breaks it off", ", ".join(heard))


STOPPING = OnPurpose(
    name="worker-stops",
    reason="After SIGTERM a worker finishes its messages. 1.1.8 does so with one thread. With "
    "several it aborts them and loses what they would send.",
    genuine="breaks it off",
    ours="finishes the message",
    application=DIFFERENCES,
    observe=observe,
)
