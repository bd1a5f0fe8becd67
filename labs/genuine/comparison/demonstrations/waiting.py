"""Queued messages without a worker: how many, and for how long."""

from __future__ import annotations

import time

from labs.genuine.comparison.demonstrations.visitor import (
    DIFFERENCES,
    hear,
    open_socket,
    patience,
    start,
    start_worker,
)
from labs.genuine.comparison.difference import OnPurpose, Seen
from labs.genuine.comparison.site import Site

FRAMES = [str(number) for number in range(300)]

#: Lifetime of messages and memberships in 1.1.8, set for the demonstration (s).
EXPIRY = 2


def observe_many(site: Site) -> Seen:
    """Send many frames without a worker."""
    worker = start(site)
    with open_socket(site, "/echo/") as socket:
        worker.terminate()
        for frame in FRAMES:
            socket.send(frame)
        site.start_worker()
        heard = hear(socket, len(FRAMES))
    if heard == FRAMES:
        return Seen("answers each frame, in order", f"{len(heard)} frames")
    return Seen(
        "loses frames and closes the socket", f"after {len(heard) - 1} answers: {heard[-1]}"
    )


def observe_long(site: Site) -> Seen:
    """Send a frame, and start a worker only after everything that can expire has expired."""
    worker = start(site)
    with open_socket(site, "/echo/") as socket:
        worker.terminate()
        socket.send("early")
        time.sleep(EXPIRY + 2)  # the list expires a second after the message
        start_worker(site)
        socket.send("late")
        heard = hear(socket, 2, patience(site))
    is_lost = "early" not in heard
    return Seen("loses the frame" if is_lost else "answers the frame", ", ".join(heard))


MANY = OnPurpose(
    name="many-messages-wait",
    reason="Frames wait in order while there is no worker. Beyond READ_AHEAD, TCP holds the "
    "client back. 1.1.8 keeps 100 messages of all sockets together, and closes with "
    "1013.",
    genuine="loses frames and closes the socket",
    ours="answers each frame, in order",
    application=DIFFERENCES,
    observe=observe_many,
)
LONG = OnPurpose(
    name="messages-wait-long",
    reason="Messages do not expire. In 1.1.8 they do after 60 s (2 s here, by its setting).",
    genuine="loses the frame",
    ours="answers the frame",
    application=DIFFERENCES,
    observe=observe_long,
    layer={"expiry": EXPIRY},
)
