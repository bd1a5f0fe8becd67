"""The interface side of a layer with shards, which have the servers of this process."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.shards.kept import ShardedKept
from channels_workers.layers.shards.names import shard_of
from channels_workers.layers.shards.relays import ShardedRelays
from channels_workers.layers.types import (
    Closed,
    Connection,
    Delivery,
    Published,
    ReplyKind,
    server_of,
)


class ShardedInterface(WorkerLayer):
    """The interface side of a layer on the shards *by_name*, each a layer with :attr:`shard` set.

    A process has a server on its home shard, and on others once it adopts a kept connection there.
    """

    def __init__(self, by_name: Mapping[str, WorkerLayer], **config: Any) -> None:
        super().__init__(**config)
        self.by_name = dict(by_name)
        self.set_sides()

    def set_sides(self) -> None:
        """Make the sides that send calls to those of the shards; no home is chosen yet."""
        self._home_shard: WorkerLayer | None = None
        self.kept = ShardedKept(self.by_name, self.home)
        self.relays = ShardedRelays(self.all[0].relays)

    def home(self) -> WorkerLayer:
        """Return the home shard of this process, which it chooses at the first call."""
        if (home := self._home_shard) is not None:
            return home
        with self._lock:  # two threads may need it first
            if self._home_shard is None:
                self._home_shard = self.by_name[self.choose_home()]
            return self._home_shard

    @abstractmethod
    def choose_home(self) -> str:
        """Return the shard that has the fewest connections."""

    @property
    def all(self) -> Sequence[WorkerLayer]:
        """All shards."""
        return tuple(self.by_name.values())

    def of(self, name: str) -> WorkerLayer:
        """Return the shard of a server or a reply channel, the home shard for other names.

        The first shard has those that began when it was alone.
        """
        if (shard := shard_of(name)) is not None:
            return self.by_name.get(shard) or self.home()
        return self.home() if server_of(name) is None else self.all[0]

    def of_delivery(self, delivery: Delivery) -> WorkerLayer:
        """Return the shard that has *delivery*."""
        return self.by_name.get(delivery.shard) or self.of(delivery.reply_channel or "")

    # The interface side

    def start_server(self) -> Server:
        """Return the server of this process on its home shard; start it if there is none."""
        return self.home().start_server()

    async def first_attempt(self) -> None:
        """Wait for the first attempt to register the server."""
        await self.home().first_attempt()

    async def attach(self, connection: Connection, kind: ReplyKind = ReplyKind.SOCKET) -> str:
        """Return a new reply channel for *connection*."""
        return await self.home().attach(connection, kind)

    def is_in_group(self, reply_channel: str) -> bool:
        """Say whether a channel of this process is in any group."""
        return self.of(reply_channel).is_in_group(reply_channel)

    def leave_groups(self, reply_channel: str) -> None:
        """Take a channel of this process out of all groups."""
        self.of(reply_channel).leave_groups(reply_channel)

    def detach(self, reply_channel: str) -> None:
        """Forget the receiver of *reply_channel*."""
        self.of(reply_channel).detach(reply_channel)

    def start_publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        done: Callable[[Published | Exception], object],
    ) -> None:
        """Publish a message of a connection on its shard."""
        message = (channel, reply_channel, order, payload, disconnect_payload)
        self.of(reply_channel).start_publish(*message, done)

    async def withdraw(self, reply_channel: str) -> bool:
        """Delete a request that no worker has taken."""
        return await self.of(reply_channel).withdraw(reply_channel)

    def tell(self, reply_channel: str, payload: bytes) -> None:
        """Send *payload* to the consumer that listens to a request."""
        self.of(reply_channel).tell(reply_channel, payload)

    async def close(self, reply_channel: str, code: int) -> Closed:
        """End a connection."""
        return await self.of(reply_channel).close(reply_channel, code)

    async def retire_server(self) -> None:
        """Retire the servers of this process on all shards."""
        for shard in self.all:
            await shard.retire_server()

    def inbox_waits(self) -> float:
        """Return for how long the inbox at home was not read to its end (s).

        Those on other shards may be away with them, and new sockets do not go there.
        """
        return self.home().inbox_waits()

    def inbox_lag(self) -> float | None:
        """Return how old the oldest entry is that this process has reached in an inbox (s)."""
        lags = [shard.inbox_lag() for shard in self.all]
        return None if None in lags else max(lag for lag in lags if lag is not None)

    def inbox_entry(self) -> str:
        """Return the id of the inbox entry that this process carries out, or did last."""
        return max(shard.inbox_entry() for shard in self.all)

    def inbox_operations(self) -> dict[str, int]:
        """Return how many operations of each kind came to the servers of this process."""
        return _summed(shard.inbox_operations() for shard in self.all)

    async def workers(self) -> dict[str, int]:
        """Return the heartbeat counters of the workers, as the home shard knows them.

        While it does not answer, another one is asked: it is going to be the home.
        """
        home = self.home()
        try:
            return await home.workers()
        except LayerUnavailable as error:
            for shard in self.all:
                if shard is not home:
                    with suppress(LayerUnavailable):
                        return await shard.workers()
            raise error from None

    def _home(self) -> asyncio.AbstractEventLoop | None:
        return self.home()._home()

    def _register_server(self, server: Server) -> None:
        self.of(server.id)._register_server(server)

    def _make_home(self, server: Server) -> None:
        self.of(server.id)._make_home(server)

    def _depart(self, server: Server, departures: Sequence[Departure]) -> None:
        self.of(server.id)._depart(server, departures)

    async def _until_registered(self) -> None:
        await self.home()._until_registered()

    # The methods of Channels 4

    async def new_channel(self, prefix: str = "specific") -> str:
        """Return the name of a new channel that this process receives."""
        return await self.home().new_channel(prefix)

    async def receive(self, channel: str) -> Content:
        """Wait for the next message of *channel*."""
        self.require_valid_channel_name(channel)
        if server_of(channel) is None:
            return await self._receive_ordinary(channel)
        return await self.of(channel).receive(channel)

    async def flush(self) -> None:
        """Delete everything in all shards."""
        for shard in self.all:
            await shard.flush()


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for kind, count in each.items():
            total[kind] = total.get(kind, 0) + count
    return total
