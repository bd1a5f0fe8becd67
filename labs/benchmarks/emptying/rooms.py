"""Rooms in Redis that fill and empty, and what each step costs Redis beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.types import (
    CONNECT,
    Committed,
    Delivery,
    Finished,
    GroupSend,
    Join,
    ProcessInfo,
    Published,
    Session,
)

#: Rooms of one member while they fill, and connections of a dead server.
AT_ONCE, DEAD = 1_000, 100

CONSUMER = "bench.0"


class Member:
    """A connection that takes what comes."""

    def deliver(self, content: Any, to_group: bool = False) -> None:
        """Drop it."""

    def release(self, order: int) -> None:
        """Do nothing."""

    def evicted(self) -> None:
        """Do nothing."""

    def end_told(self) -> None:
        """Do nothing."""

    def snapshot(self) -> None:
        """Return no state: it is never restored."""


class Rooms:
    """Rooms on *layer*, whose server runs in this event loop."""

    def __init__(self, layer: RedisChannelLayer) -> None:
        self.layer = layer
        self.redis = layer.client.redis
        self.filled = 0
        self.cpu_us: dict[str, float] = {}
        self._number = 0

    async def fill_and_empty(self, count: int) -> None:
        """Give *count* more rooms a member each, and take it away again."""
        for at in range(0, count, AT_ONCE):
            channel = await self.layer.attach(Member())
            names = [f"room-{self.filled + number}" for number in range(min(AT_ONCE, count - at))]
            await self.layer.aapply([Join(name, channel) for name in names])
            await self._until_known(len(names))
            self.layer.detach(channel)
            await self.layer.aapply([])  # behind what the server has told of the empty rooms
            self.filled += len(names)

    async def _until_known(self, count: int) -> None:
        server = self.layer.start_server()
        while len(server.groups) < count:  # noqa: ASYNC110  (the reader of the inbox tells nobody)
            await asyncio.sleep(0.001)

    def left(self) -> dict[str, float]:
        """Return what is left of rooms: in Redis, and in the server."""
        server = self.layer.start_server()
        in_server: tuple[Sized, ...] = (server.groups, server.last_join, server.groups_of)
        return {
            "keys": self.redis.dbsize(),
            "KiB": self.redis.info("memory")["used_memory"] / 1024,
            "in the server": sum(map(len, in_server)),
        }

    @contextmanager
    def _timed(self, step: str, calls: int) -> Iterator[None]:
        before = self._cpu()
        yield
        self.cpu_us[step] = (self._cpu() - before) / calls * 1e6

    def _cpu(self) -> float:
        spent = self.redis.info("cpu")
        return float(spent["used_cpu_user"] + spent["used_cpu_sys"])

    async def time_steps(self, count: int) -> dict[str, float]:
        """Return the microseconds of Redis for each step, of *count* connections."""
        layer, number = self.layer, self._number
        self._number += count
        channels = [await layer.attach(Member()) for _ in range(count)]
        layer.pull([CONNECT], CONSUMER, 0)
        with self._timed("publish", count):
            for channel in channels:
                published = await layer.publish(CONNECT, channel, 0, b"connect", b"disconnect")
                assert published is Published.PUBLISHED, published
        with self._timed("pull", count):
            pulled = [await self._blocking(layer.pull, [CONNECT], CONSUMER, 1.0) for _ in channels]
        held: list[tuple[str, Delivery]] = [
            (f"timed-{number + at}", delivery) for at, (delivery,) in enumerate(pulled)
        ]
        with self._timed("join", count):
            for room, delivery in held:
                join = Join(room, delivery.reply_channel or "")
                await self._blocking(layer.change_groups, delivery, [join])
        with self._timed("commit", count):
            for room, delivery in held:
                session = Session(delivery.reply_channel or "", b"session")
                done = Finished(delivery, [GroupSend(room, b"\x80")], session)
                assert await self._blocking(layer.commit, done) is Committed.DONE
        with self._timed("leave", count):
            for channel in channels:
                layer.detach(channel)
            await layer.aapply([])
        self._time_heartbeat(count)
        await self._blocking(self._time_clean_up, f"dead{number}")
        await self._drop_disconnects()
        return self.cpu_us

    @staticmethod
    async def _blocking(call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.to_thread(call, *arguments)

    def _time_heartbeat(self, count: int) -> None:
        self.layer.register("beating", ProcessInfo.this("worker"))
        with self._timed("heartbeat", count):
            for _ in range(count):
                self.layer.heartbeat("beating")
        self.layer.retire("beating", (), ())

    def _time_clean_up(self, name: str) -> None:
        layer = self.layer
        layer.register_server(name)
        for number in range(DEAD):
            connect = (CONNECT, f"{name}!{number}", 0, b"connect", b"disconnect", "")
            layer.client.call(Request("publish", [*connect]))
        layer.apply([Join(f"{name}-{number}", f"{name}!{number}") for number in range(DEAD)])
        assert layer.admin.mark_dead(name, 1)
        with self._timed("clean up, a connection", DEAD):
            layer.admin.clean_up(name)

    async def _drop_disconnects(self) -> None:
        """Delete what the connections sent, as workers would have finished it."""
        for key in self.redis.scan_iter(f"{self.layer.client.prefix}channel:*"):
            self.redis.delete(key)
        for part in ("connections", "session", "ended", "told"):
            for key in self.redis.scan_iter(f"{self.layer.client.prefix}{part}:*"):
                self.redis.delete(key)
