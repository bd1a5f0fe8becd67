"""The Redis layer of several shards: a Redis each."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from channels_workers.exceptions import ChannelError, LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.redis.shards import RedisShards
from channels_workers.layers.shards.admin import ShardedAdmin
from channels_workers.layers.shards.layer import ShardedLayer
from channels_workers.layers.shards.types import LOG_BYTES, LOG_ENTRIES
from channels_workers.layers.types import Delivery, Send
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: How long one look at a shard waits, where callers pull from all of them in turn (s).
TURN = 0.05

#: How long a receiver leaves a shard alone that did not answer (s).
PAUSE = 1.0

LOST = "A message of channel %s may be lost: shard %s did not take it back (%s)"


class ShardedRedisLayer(ShardedLayer):
    """A layer whose shards are the Redis at *hosts*, by their names.

    *make* makes the layer of one of them. The log of each has so many *entries* and bytes at most.
    """

    def __init__(
        self,
        hosts: Mapping[str, Any],
        make: Any,
        *,
        log_entries: int = LOG_ENTRIES,
        log_bytes: int = LOG_BYTES,
        prefix: str = "channels",
        lifeline: bool = True,
        **config: Any,
    ) -> None:
        names = tuple(hosts)
        self.layers = {
            name: make(
                hosts=[host],
                prefix=prefix,
                lifeline=lifeline,
                shard=Shard(name, names, log_entries, log_bytes),
                **config,
            )
            for name, host in hosts.items()
        }
        self._turns = count(random.randrange(len(names)))  # noqa: S311  (no secret)
        super().__init__(self.layers, **config)
        self._connect()

    def _connect(self) -> None:
        self.shards = RedisShards({name: layer.client for name, layer in self.layers.items()})
        self.admin = ShardedAdmin({name: layer.admin for name, layer in self.layers.items()})
        for name, layer in self.layers.items():
            layer.find_marks = partial(self.shards.marks, name)
            layer.call_shard = self._call

    def _call(self, shard: str, request: Request) -> Any:
        return self.layers[shard].client.call(request)

    def begin_in_child(self) -> None:
        """Share nothing with the parent of this forked child. The shards do so themselves."""
        super().begin_in_child()
        self.set_sides()
        self._connect()

    def __str__(self) -> str:
        hosts = ", ".join(f"{name} {layer.client}" for name, layer in self.layers.items())
        return f"RedisChannelLayer({hosts})"

    def choose_home(self) -> str:
        """Return a shard."""
        return random.choice(list(self.layers))  # noqa: S311  (no secret)

    def disconnect(self) -> None:
        """Close the blocking connections; the next request opens new ones."""
        for layer in self.layers.values():
            layer.disconnect()

    def pull(
        self, channels: Sequence[str], consumer: str, timeout: float, count: int = 1
    ) -> list[Delivery]:
        """Wait up to *timeout* seconds for messages of any shard; return those of one.

        Workers do not call it: each of their threads waits for one shard.
        """
        deadline = time.monotonic() + timeout
        while True:
            for shard in self._in_turn():
                if found := self.pull_from(shard, channels, consumer, count):
                    return found
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            with suppress(LayerUnavailable):
                wait = min(TURN, left)
                if found := self._in_turn()[0].pull(channels, consumer, wait, count):
                    return found

    def _in_turn(self) -> list[WorkerLayer]:
        """Return all shards. Each is the first one in turn, so a busy one delays no other."""
        shards, start = list(self.all), next(self._turns) % len(self.all)
        return shards[start:] + shards[:start]

    def begin_history(self, group: str, home: WorkerLayer, shard: WorkerLayer) -> None:
        """Do nothing: a shard that lacks a history asks its home itself."""

    async def _receive_ordinary(self, channel: str) -> Content:
        """Wait for all shards at once.

        Where two have a message, one goes back, behind those that wait, as after a cancellation.
        """
        waits = {asyncio.ensure_future(self._receive_at(it, channel)): it for it in self.all}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            taken = next(iter(done))
            del waits[taken]
            return taken.result()
        finally:
            await asyncio.shield(self._end(waits, channel))

    async def _receive_at(self, shard: WorkerLayer, channel: str) -> Content:
        while True:
            try:
                return await shard._receive_ordinary(channel)
            except LayerUnavailable as error:
                logger.debug("Shard %s does not answer: %s", shard.shard, error)
                await asyncio.sleep(PAUSE)

    async def _end(self, waits: Mapping[asyncio.Task[Content], WorkerLayer], channel: str) -> None:
        """Cancel *waits*, and give back what they have taken all the same."""
        for wait in waits:
            wait.cancel()
        found = await asyncio.gather(*waits, return_exceptions=True)
        for shard, content in zip(waits.values(), found, strict=True):
            if isinstance(content, BaseException):
                continue
            try:
                await shard.aapply([Send(channel, self.codec.encode(content))])
            except ChannelError as error:
                extra = fields("message_lost", channel=channel)
                logger.error(LOST, channel, shard.shard, described(error), extra=extra)
