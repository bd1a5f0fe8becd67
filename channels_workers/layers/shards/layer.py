"""A layer of several shards: each is a layer by itself, and this one sends calls where they belong.

What a call does to other shards goes through their logs; see
:mod:`channels_workers.layers.shards.base`.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from channels_workers.exceptions import LayerUnavailable, LayerUnfit
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.history import Joined
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.kept import ShardedKept
from channels_workers.layers.shards.names import home_of, shard_of
from channels_workers.layers.shards.relays import ShardedRelays
from channels_workers.layers.types import (
    Closed,
    Committed,
    Connection,
    Delivery,
    Finished,
    Join,
    Leave,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    ReplyKind,
    Resume,
    Session,
    Statistics,
    server_of,
)

Answer = TypeVar("Answer")


class ShardedLayer(WorkerLayer):
    """A layer whose data are on *by_name*: layers of one shard each, with their :attr:`shard` set.

    A process has a server on its home shard, and on others once it adopts a kept connection there.
    """

    #: The logs between the shards.
    shards: LayerShards

    def __init__(self, by_name: Mapping[str, WorkerLayer], **config: Any) -> None:
        super().__init__(**config)
        self.by_name = dict(by_name)
        self.set_sides()

    def set_sides(self) -> None:
        """Make the sides that send calls to those of the shards; no home is chosen yet."""
        self._home_shard: WorkerLayer | None = None
        self.kept = ShardedKept(self.by_name, self.home)
        self.relays = ShardedRelays({name: it.relays for name, it in self.by_name.items()})

    def home(self) -> WorkerLayer:
        """Return the home shard of this process, which it chooses at the first call."""
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
        """Return the shard of a server or a reply channel, the home shard for other names."""
        return self.by_name.get(shard_of(name) or "") or self.home()

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
        """Return for how long an inbox of this process was not read to its end (s)."""
        return max(shard.inbox_waits() for shard in self.all)

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
        """Return the heartbeat counters of the workers, as the home shard knows them."""
        return await self.home().workers()

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

    # The worker side. A shard that is away costs only its own messages.

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` if a shard is not usable, or if none answers."""

        def check(shard: WorkerLayer) -> LayerUnfit | None:
            try:
                shard.check_server()
            except LayerUnfit as error:
                return error
            return None

        for unfit in filter(None, self.ask_all(check)):
            raise unfit

    def ask_all(self, ask: Callable[[WorkerLayer], Answer], process: str = "") -> list[Answer]:
        """Return what the shards answer that do; raise the error if none does.

        Of a *process* that is a server, only its shard is asked.
        """
        answers, failure = [], None
        home = self.by_name.get(shard_of(process) or "")
        for shard in self.all if home is None else (home,):
            try:
                answers.append(ask(shard))
            except LayerUnavailable as error:
                failure = error
        if failure is not None and not answers:
            raise failure
        return answers

    def _register(self, process: str, about: ProcessInfo) -> None:
        self.ask_all(lambda shard: shard._register(process, about), process)

    def _describe(self, process: str, about: ProcessInfo) -> None:
        self.ask_all(lambda shard: shard._describe(process, about), process)

    def _heartbeat(self, process: str) -> Liveness:
        """Raise the counters of *process*; it needs a new id if any shard has lost it."""
        found = self.ask_all(lambda shard: shard._heartbeat(process), process)
        worst = (Liveness.EVICTED, Liveness.LOST)
        return next((liveness for liveness in worst if liveness in found), Liveness.ALIVE)

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process* on each shard, unless one of its *consumers* holds a delivery there."""
        self.ask_all(lambda shard: shard.retire(process, consumers, channels), process)

    def pull_from(
        self, shard: WorkerLayer, channels: Sequence[str], consumer: str, count: int
    ) -> list[Delivery]:
        """Return the messages of one shard, without waiting; none if it does not answer."""
        try:
            return named(shard, shard.pull(channels, consumer, 0, count))
        except LayerUnavailable:
            return []

    def pending_deliveries(
        self, channels: Sequence[str], consumers: Sequence[str]
    ) -> list[Delivery]:
        """Return the deliveries that *consumers* have not finished, of the shards that answer."""
        found = self.ask_all(
            lambda shard: named(shard, shard.pending_deliveries(channels, consumers))
        )
        return [delivery for each in found for delivery in each]

    def commit(self, finished: Finished) -> Committed:
        """Finish a delivery in one step on its shard."""
        return self.of_delivery(finished.delivery).commit(finished)

    def commit_all(self, finished: Sequence[Finished]) -> list[Committed | Exception]:
        """Commit on each shard what is there. One that does not answer costs only its own."""
        by_shard: dict[str, list[int]] = {}
        for number, each in enumerate(finished):
            name = self.of_delivery(each.delivery).shard or ""
            by_shard.setdefault(name, []).append(number)
        done: dict[int, Committed | Exception] = {}
        for name, numbers in by_shard.items():
            try:
                results = self.by_name[name].commit_all([finished[at] for at in numbers])
            except LayerUnavailable as error:
                results = [error] * len(numbers)
            done.update(zip(numbers, results, strict=True))
        return [done[number] for number in range(len(finished))]

    def change_groups(self, delivery: Delivery, changes: Sequence[Join | Leave]) -> Committed:
        """Join and leave groups now; channels of other shards a moment later."""
        return self.of_delivery(delivery).change_groups(delivery, changes)

    def resume(
        self, wanted: Resume, delivery: Delivery | None = None, quick: bool = False
    ) -> Joined | None:
        """Join a group with history on the shard of the channel, which has a copy of it."""
        shard = self.of(wanted.channel)
        home = self.by_name[home_of(wanted.group, tuple(self.by_name))]
        if shard is not home:
            with suppress(LayerUnavailable):  # a gap, later, is true then
                self.begin_history(wanted.group, home, shard)
        if delivery is not None and self.of_delivery(delivery) is not shard:
            return self.resume_elsewhere(wanted, delivery, shard)
        return shard.resume(wanted, delivery, quick)

    def resume_elsewhere(
        self, wanted: Resume, delivery: Delivery, shard: WorkerLayer
    ) -> Joined | None:
        """Resume for a consumer whose delivery is on another shard: this is not one step."""
        if self.change_groups(delivery, ()) is Committed.STALE:
            return None
        return shard.resume(wanted)

    @abstractmethod
    def begin_history(self, group: str, home: WorkerLayer, shard: WorkerLayer) -> None:
        """Begin the copy of a history on *shard* as at its *home*, if both have no message yet."""

    def listen(self, reply_channel: str, timeout: float) -> bytes | None:
        """Wait up to *timeout* seconds for what the server tells."""
        return self.of(reply_channel).listen(reply_channel, timeout)

    def quarantine(self, delivery: Delivery) -> Committed:
        """Note that *delivery* begins to run."""
        return self.of_delivery(delivery).quarantine(delivery)

    def requeue(self, delivery: Delivery, *, counted: bool, failed: bool = False) -> Committed:
        """Hand *delivery* back."""
        return self.of_delivery(delivery).requeue(delivery, counted=counted, failed=failed)

    def dead_letter(self, delivery: Delivery, reason: str) -> Committed:
        """Make *delivery* a dead letter."""
        return self.of_delivery(delivery).dead_letter(delivery, reason)

    # Everywhere

    def apply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Carry out *operations* on the home shard, and by its log on others."""
        self.home().apply(operations, quick)

    async def aapply(self, operations: Sequence[Operation], quick: bool = False) -> None:
        """Do the same as :meth:`apply` from a coroutine."""
        await self.home().aapply(operations, quick)

    def connected(self, reply_channels: Iterable[str]) -> set[str]:
        """Return those of *reply_channels* whose connection has not ended."""
        by_shard: dict[str, list[str]] = {}
        for reply in reply_channels:
            by_shard.setdefault(self.of(reply).shard or "", []).append(reply)
        asked = [self.by_name[name].connected(found) for name, found in by_shard.items()]
        return set().union(*asked)

    def load_session(self, reply_channel: str) -> bytes | None:
        """Return the saved channel session."""
        return self.of(reply_channel).load_session(reply_channel)

    def save_session(self, session: Session) -> None:
        """Save a channel session now, if the connection has not ended."""
        self.of(session.reply_channel).save_session(session)

    def give_session(self, channel: str) -> None:
        """Let *channel*, a name that a test made up, have a channel session."""
        self.of(channel).give_session(channel)

    def length(self, channel: str) -> int:
        """Return how many messages wait or are pending."""
        return sum(shard.length(channel) for shard in self.all)

    def group_channels(self, group: str) -> set[str]:
        """Return the channels in *group*."""
        return set().union(*(shard.group_channels(group) for shard in self.all))

    def _members(self, group: str) -> set[str]:
        return set().union(*(shard._members(group) for shard in self.all))

    # Statistics

    def global_statistics(self) -> Statistics:
        """Return the statistics of all ordinary channels."""
        return _total([shard.global_statistics() for shard in self.all])

    def channel_statistics(self, channel: str) -> Statistics:
        """Return the statistics of an ordinary channel."""
        return _total([shard.channel_statistics(channel) for shard in self.all])


def named(shard: WorkerLayer, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Return *deliveries* with the name of their shard."""
    return [delivery._replace(shard=shard.shard or "") for delivery in deliveries]


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for kind, count in each.items():
            total[kind] = total.get(kind, 0) + count
    return total


def _total(found: Sequence[Statistics]) -> Statistics:
    """Return the sum of statistics; the highest of ages."""
    return {
        key: (max if key == "messages_max_age" else sum)(each[key] for each in found if key in each)
        for key in {key: None for each in found for key in each}
    }
