"""The Redis layer with several shards: a Redis for each."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from channels_workers.exceptions import LayerUnavailable, LayerUnfit
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.redis import hosts as redis_hosts
from channels_workers.layers.redis.loads import read_load
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.redis.shards import RedisShards
from channels_workers.layers.server import Server
from channels_workers.layers.shards.admin import ShardedAdmin
from channels_workers.layers.shards.clock import ShardsClock
from channels_workers.layers.shards.home import Homes, Load
from channels_workers.layers.shards.layer import ShardedLayer
from channels_workers.layers.shards.types import LOG_BYTES, LOG_ENTRIES
from channels_workers.layers.types import Connection, Delivery, Operation, ReplyKind
from channels_workers.tracing import hooks

#: For how long a pull waits for messages of one shard before it looks at all again (s).
WAIT = 0.05

#: A shard that did not answer is asked again for messages after so long (s).
ASKED_AGAIN = 5.0


class ShardedRedisLayer(ShardedLayer):
    """A channel layer in the Redis of each of *hosts*, by the names of the shards, in order.

    *make* makes the layer of one of them. Names without a shard are those of the first.
    """

    def __init__(
        self,
        hosts: Mapping[str, Any],
        make: Callable[..., Any],
        log_entries: int = LOG_ENTRIES,
        log_bytes: int = LOG_BYTES,
        **config: Any,
    ) -> None:
        names = tuple(hosts)
        self.layers = {
            name: make(hosts=[host], shard=Shard(name, names, log_entries, log_bytes), **config)
            for name, host in hosts.items()
        }
        config = {key: config[key] for key in config.keys() - {"prefix", "lifeline"}}
        super().__init__(self.layers, **config)
        self._turns = count(random.randrange(len(names)))  # noqa: S311  (no secret)
        self._connect()

    def _connect(self) -> None:
        shards = RedisShards({name: it.client for name, it in self.layers.items()})
        self.shards = shards
        self.admin = ShardedAdmin({name: it.admin for name, it in self.layers.items()})
        self.clock = ShardsClock(it.clock for it in self.layers.values())
        self._homes = Homes(tuple(self.layers), self._load, self._move)
        for name, layer in self.layers.items():
            layer.find_marks = partial(shards.marks, name)
            layer.call_shard = self._call_shard

    def _call_shard(self, shard: str, request: Request) -> Any:
        return self.layers[shard].client.call(request)

    def begin_in_child(self) -> None:
        """Share nothing with the parent of this forked child."""
        super().begin_in_child()
        for layer in self.layers.values():  # each is renewed anyway, before this or after it
            layer.begin_in_child()
        self.set_sides()
        self._connect()

    def __str__(self) -> str:
        each = ", ".join(f"{name}: {it.client}" for name, it in self.layers.items())
        return f"RedisChannelLayer with {len(self.by_name)} shards ({each})"

    def check_server(self) -> None:
        """Do that of each shard, and raise :class:`LayerUnfit` for two names of one Redis."""
        super().check_server()
        known: dict[tuple[str, int], str] = {}
        for name, layer in self.layers.items():
            if "cluster" in layer.client.host:  # its shards have slots, which may share a node
                continue
            place = layer.client.find_place()
            if place is not None and known.setdefault(place, name) != name:
                raise LayerUnfit(
                    f"The shards {known[place]} and {name} are the same Redis, at {layer.client}. "
                    "Each needs one of its own. Correct `hosts` in the CONFIG of CHANNEL_LAYERS."
                )

    # The home of this process

    def choose_home(self) -> str:
        """Return the open shard with the fewest connections; this waits a second at most."""
        return self._homes.first()

    def _load(self, shard: str) -> Load:
        return read_load(self.layers[shard].client)

    def _move(self, shard: str) -> None:
        """Let new sockets of this process go to *shard*; those that it has stay where they are."""
        self._home_shard = self.by_name[shard]

    def start_server(self) -> Server:
        """Return the server of this process on its home shard, which may change from now on."""
        server = super().start_server()
        self._homes.keep()
        return server

    async def attach(self, connection: Connection, kind: ReplyKind = ReplyKind.SOCKET) -> str:
        """Return a new reply channel for *connection*, at home."""
        reply = await super().attach(connection, kind)
        self._homes.keep()
        return reply

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return the name of a new channel that this process receives, at home."""
        self._homes.keep()
        return await super().new_channel(prefix)

    async def retire_server(self) -> None:
        """Retire the servers of this process on all shards, at the same time."""
        self._homes.end()
        retiring = (shard.retire_server() for shard in self.all)
        for failed in await asyncio.gather(*retiring, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed

    def apply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Carry out *operations* on the home shard; the next call may have another home."""
        try:
            super().apply(operations, quick)
        except LayerUnavailable:
            self._choose_again()
            raise

    async def aapply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Do the same as :meth:`apply` from a coroutine."""
        try:
            await super().aapply(operations, quick)
        except LayerUnavailable:
            self._choose_again()
            raise

    def _choose_again(self) -> None:
        """Choose a home at the next call, unless a thread looks after it."""
        if not self._homes.is_kept:
            self._home_shard = None

    def disconnect(self) -> None:
        """Close the blocking connections to all shards; the next request opens new ones."""
        self._homes.end()
        for layer in self.layers.values():
            layer.disconnect()

    def begin_history(self, group: str, home: WorkerLayer, shard: WorkerLayer) -> None:
        """Do nothing: the layer of *shard* does it when it resumes."""

    # Messages of all shards

    def _in_turn(self) -> list[WorkerLayer]:
        """Return all shards. Each is the first one in turn, so a busy one delays no other."""
        shards, start = list(self.by_name.values()), next(self._turns) % len(self.by_name)
        return shards[start:] + shards[:start]

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages of any shard; return those of one.

        It waits at one shard after the other, for a moment each. Workers have a thread for each
        shard instead. Raises :class:`LayerUnavailable` if no shard answers.
        """
        deadline = time.monotonic() + timeout
        wait = 0.0  # the first look does not wait
        while True:
            failures = []
            for shard in self._in_turn():
                try:
                    if found := shard.pull(channels, consumer, wait, count):
                        return found
                except LayerUnavailable as error:
                    failures.append(error)
                left = deadline - time.monotonic()
                wait = max(0.0, min(left, WAIT)) if wait else 0.0
            if len(failures) == len(self.by_name):
                raise failures[0]
            if left <= 0:
                return []
            if failures and wait:  # no busy loop while some refuse connections at once
                time.sleep(wait)
            wait = min(left, WAIT)

    async def _receive_ordinary(self, channel: str) -> Content:
        """Take a message of any shard, only ever one at a time, so a cancelled call loses none."""
        asked_at: dict[str, float] = {}
        while redis_hosts.goes_on():
            entries, failure = dict[str, bytes](), None
            for shard in self._in_turn():
                name = shard.shard or ""
                if time.monotonic() < asked_at.get(name, 0.0):
                    continue
                try:
                    taken = await self.layers[name].streams.take(channel)
                except LayerUnavailable as error:
                    asked_at[name], failure = time.monotonic() + ASKED_AGAIN, error
                    continue
                if taken.delivery is not None:
                    content = self.codec.decode(taken.delivery.payload)
                    content.pop(hooks.CARRIER, None)
                    return content
                entries[name] = b"" if taken.fields else taken.entry
            if not entries and failure is not None:
                raise failure
            if all(entries.values()):
                await self._wait_for_any(channel, entries)
        raise asyncio.CancelledError

    async def _wait_for_any(self, channel: str, entries: Mapping[str, bytes]) -> None:
        """Wait for a message of any shard after its entry, for some seconds at most."""
        waits = [
            asyncio.ensure_future(self.layers[name].streams.wait_for_one(channel, entry))
            for name, entry in entries.items()
        ]
        try:
            await asyncio.wait(waits, timeout=ASKED_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            ended = await asyncio.gather(*waits, return_exceptions=True)
        for failed in ended:
            if isinstance(failed, Exception):
                with suppress(LayerUnavailable):
                    raise failed
