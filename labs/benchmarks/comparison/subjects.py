"""The subjects of the comparison."""

from __future__ import annotations

from labs.benchmarks.measuring.subject import SITE, Subject
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import ANY


def on_one_core(room: str, server: str = "daphne", servers: int = 1) -> Subject:
    """Return *room* with all of its processes on one core, and the load on the other."""
    arrangement = Arrangement(server=server, servers=servers, cores=SITE)
    name = f"{room}, {server}" if servers == 1 else f"{room}, {servers} {server}"
    return Subject(name, room, arrangement)


def not_pinned(room: str, server: str, workers: int) -> Subject:
    """Return *room* and the load without pinning."""
    arrangement = Arrangement(server=server, workers=workers, cores=ANY)
    plural = "s" if workers > 1 else ""
    name = f"{room}, {server}, {workers} worker{plural}, not pinned"
    return Subject(name, room, arrangement, load=ANY)


#: The rows of the table in order. The first two are the limits.
TABLE = (
    on_one_core("bare"),
    on_one_core("bare", "uvicorn"),
    on_one_core("channels_workers"),
    on_one_core("channels_workers", "uvicorn"),
    on_one_core("channels4-pubsub"),
    on_one_core("channels4-pubsub", "uvicorn"),
    on_one_core("channels4-core"),
    on_one_core("channels4-core", "uvicorn"),
    on_one_core("channels1"),
    on_one_core("socketio", "uvicorn"),
    on_one_core("pubsub", "uvicorn"),
    on_one_core("ws", "node"),
)
WORKERS = tuple(
    not_pinned("channels_workers", server, workers)
    for server in ("daphne", "uvicorn")
    for workers in (1, 2)
)
#: One worker of the quick room saturates two cores. Slower consumers do not.
WAITING = tuple(not_pinned("channels_workers-waiting", "daphne", workers) for workers in (1, 2))
COMPUTING = tuple(not_pinned("channels_workers-computing", "daphne", each) for each in (1, 2))
SLOWER = (*WAITING, *COMPUTING)
CHATS = (on_one_core("chat"), on_one_core("channels4-chat"))
TWO_SERVERS = on_one_core("channels_workers", "daphne", servers=2)
LIMIT, OURS = on_one_core("bare"), on_one_core("channels_workers")
#: Under the server that compresses frames for browsers.
BROWSERS = tuple(on_one_core(room, "uvicorn") for room in ("bare", "channels_workers"))
