"""Somebody who looks at one engine: the application of all demonstrations, and sockets."""

from __future__ import annotations

from hypothesis import strategies as st
from redis import Redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from legacy.comparison.application import Application
from legacy.comparison.site import Site

DIFFERENCES = Application(
    name="differences",
    package="differences",
    routing="differences.routing.channel_routing",
    recorded={},
    random=st.nothing(),
    urls="differences.urls",
)

#: How long to wait for what is to come (s).
TIMEOUT = 20.0

#: How long to wait for what may never come (s).
PATIENCE = 3.0


def open_socket(site: Site, path: str) -> ClientConnection:
    """Open a socket at *path*; it waits for the worker."""
    address = f"ws://127.0.0.1:{site.port}{path}"
    return connect(address, open_timeout=40, ping_interval=None, proxy=None, max_queue=None)


def hear(socket: ClientConnection, number: int, patience: float = PATIENCE) -> list[str]:
    """Return up to *number* frames, fewer if none comes for a while; the last may be the end."""
    heard: list[str] = []
    while len(heard) < number:
        try:
            heard.append(str(socket.recv(patience)))
        except TimeoutError:
            break
        except ConnectionClosed:
            heard.append(f"closed with {socket.close_code}")
            break
    return heard


def count_commands(redis: Redis) -> int:
    """Return how many commands Redis has carried out, those in scripts included."""
    return sum(command["calls"] for command in redis.info("commandstats").values())
