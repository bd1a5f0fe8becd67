"""An observer of one engine: the application of all demonstrations, and sockets."""

from __future__ import annotations

from hypothesis import strategies as st
from redis import Redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.quiet import count_blocked
from labs.genuine.comparison.site import Site
from labs.harness.processes import Process
from labs.harness.waiting import wait_for

DIFFERENCES = Application(
    name="differences",
    package="differences",
    routing="differences.routing.channel_routing",
    recorded={},
    random=st.nothing(),
    urls="differences.urls",
)

#: The commands that ask for messages, in both engines.
READS = ("lpop", "blpop", "xread", "xreadgroup")

#: Time-out of expected events (s).
TIMEOUT = 60.0

#: After how long without an event none is expected any more (s).
SILENCE = 3.0


def patience(site: Site) -> float:
    """Return how long to wait (s) for what only our engine does."""
    return TIMEOUT if site.engine.rewritten else SILENCE


def start(site: Site, threads: int = 1) -> Process:
    """Start a server and a worker. Returns the worker when it waits for messages."""
    site.start_server()
    return start_worker(site, threads)


def start_worker(site: Site, threads: int = 1) -> Process:
    """Start a worker. Returns it when it waits for messages."""
    worker = site.start_worker(threads)
    with site.redis.client() as redis:
        wait_for(lambda: count_waiting(site, redis) == threads, worker.describe, TIMEOUT)
    return worker


def count_waiting(site: Site, redis: Redis) -> int:
    """Return how many worker threads wait for messages."""
    return count_blocked(redis.client_list(), site.engine.waits_in)[1]


def open_socket(site: Site, path: str) -> ClientConnection:
    """Open a socket at *path* after the worker is ready."""
    address = f"ws://127.0.0.1:{site.port}{path}"
    return connect(address, open_timeout=TIMEOUT, ping_interval=None, proxy=None, max_queue=None)


def hear(socket: ClientConnection, number: int, timeout: float = TIMEOUT) -> list[str]:
    """Return up to *number* frames, fewer if *timeout* passes. The last may be the close."""
    heard: list[str] = []
    while len(heard) < number:
        try:
            heard.append(str(socket.recv(timeout)))
        except TimeoutError:
            break
        except ConnectionClosed:
            heard.append(f"closed with {socket.close_code}")
            break
    return heard


def has_ended(worker: Process, site: Site) -> bool:
    """Return whether *worker* ends, which only a worker of 1.1.8 does."""
    timeout = SILENCE if site.engine.rewritten else TIMEOUT
    try:
        return wait_for(lambda: not worker.is_running, "the end of a worker", timeout)
    except AssertionError:
        return False


def count_commands(redis: Redis) -> int:
    """Return how many commands Redis has executed, including those in scripts."""
    return sum(command["calls"] for command in redis.info("commandstats").values())


def count_reads(redis: Redis) -> int:
    """Return how often Redis was asked for messages."""
    commands = redis.info("commandstats")
    return sum(commands.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in READS)
