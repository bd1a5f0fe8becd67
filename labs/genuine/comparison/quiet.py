"""Detects from outside that an engine is idle.

The engines are not instrumented. Redis tells which clients block in a read: such a worker has
finished and sent everything, and finds no message. The messages that its interface server has
published are read from the counters of asgi-redis, and from our connection records.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis

from channels_workers.layers.base import FORMAT_VERSION
from labs.genuine.comparison.engine import GENUINE, OURS

#: Time-out until everything is idle, and the pause between two checks (s).
TIMEOUT, PAUSE = 60.0, 0.004


#: Where asgi-redis counts all messages that were ever sent to these channels.
PUBLISHED = [f"asgi-meta:websocket.{event}:messages_count" for event in ("connect", "disconnect")]
REQUESTS = [f"asgi-meta:http.{event}:messages_count" for event in ("request", "disconnect")]


@dataclass(frozen=True)
class Traffic:
    """What clients have done: in this step, and on the sockets that are open now."""

    handshakes: int
    ended: int
    live: int
    connecting: int
    frames: int
    #: Requests without a whole answer.
    waiting: int


class Ear(Protocol):
    """Observes one engine's Redis."""

    async def begin(self) -> None:
        """Record what was published before this step."""

    async def noise(self, traffic: Traffic) -> str:
        """Return the pending work, given *traffic*. Empty if the engine is idle."""


def count_blocked(clients: list[dict[str, str]], command: str) -> tuple[int, int]:
    """Return how many clients have sent *command* last, and how many of them are blocked in it."""
    asked = [client for client in clients if client["cmd"].split("|")[0] == command]
    return len(asked), sum("b" in client["flags"] for client in asked)


class GenuineEar:
    """For asgi-redis: workers block in BLPOP, replies are in lists, all sends are counted."""

    def __init__(self, redis: Redis, threads: int = 1) -> None:
        self.redis = redis
        self.threads = threads
        self._before = (0, 0)

    async def begin(self) -> None:
        """Record what was published before this step."""
        self._before = _numbers(await self.redis.mget(PUBLISHED))

    async def noise(self, traffic: Traffic) -> str:
        """Return the pending work."""
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.client_list()
            pipeline.keys("asgi:*!")
            pipeline.mget(PUBLISHED)
            pipeline.mget(REQUESTS)
            clients, replies, counts, http = await pipeline.execute()
        connects, disconnects = (
            now - before for now, before in zip(_numbers(counts), self._before, strict=True)
        )
        requests, gone = _numbers(http)  # Daphne 1.4.2 sends http.disconnect after each answer
        _, blocked = count_blocked(clients, GENUINE.waits_in)
        checks = {
            f"{traffic.handshakes - connects} connects": connects >= traffic.handshakes,
            f"{traffic.ended - disconnects} disconnects": disconnects >= traffic.ended,
            f"{requests} requests, {gone} ended": requests - gone == traffic.waiting,
            f"{self.threads - blocked} workers": blocked >= self.threads,
            f"replies in {replies}": not replies,
        }
        return ", ".join(what for what, is_done in checks.items() if not is_done)


def _numbers(counts: Sequence[bytes | str | None]) -> tuple[int, int]:
    connects, disconnects = (int(count or 0) for count in counts)
    return connects, disconnects


class OurEar:
    """For channels_workers, with the keys in docs/reference/redis.md."""

    def __init__(self, redis: Redis, threads: int = 1) -> None:
        self.redis = redis
        self.threads = threads

    async def begin(self) -> None:
        """Do nothing: a connection record has the connection's progress."""

    async def noise(self, traffic: Traffic) -> str:
        """Return the pending work."""
        keys = await self.redis.keys(f"channels:{FORMAT_VERSION}:connections:*")
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.client_list()
            for key in keys:
                pipeline.hvals(key)
            clients, *records = await pipeline.execute()
        fields = [record.split(b":", 2) for server in records for record in server]
        orders = sum(int(order) for order, *_ in fields)
        connections = traffic.live + traffic.waiting
        readers, waiting = count_blocked(clients, "xread")
        _, blocked = count_blocked(clients, OURS.waits_in)
        checks = {
            f"{len(fields)} connections of {connections}": len(fields) == connections,
            f"{traffic.frames - orders} frames": orders == traffic.frames,
            "messages in flight": all(state == b"i" for _, state, _ in fields),
            f"{self.threads - blocked} workers": blocked >= self.threads,
            "an inbox": readers == waiting and (waiting > 0 or not connections),
        }
        return ", ".join(what for what, is_done in checks.items() if not is_done)


async def wait_for_quiet(ear: Ear, ask: Callable[[], Traffic]) -> Traffic:
    """Wait until *ear* reports no work. Returns the traffic, which is queried each time.

    TimeoutError with the pending work.
    """
    deadline = time.monotonic() + TIMEOUT
    while noise := await ear.noise(traffic := ask()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Still to do after {TIMEOUT:g} s: {noise}")
        await asyncio.sleep(PAUSE)
    return traffic
