"""A layer of several shards: each is a layer by itself, and this one sends calls where they belong.

What a call does to other shards goes through their logs; see
:mod:`channels_workers.layers.shards.base`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from channels_workers.exceptions import LayerUnavailable, LayerUnfit
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.history import Joined
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.interface import ShardedInterface
from channels_workers.layers.shards.names import home_of, shard_of
from channels_workers.layers.types import (
    Committed,
    Delivery,
    Finished,
    Join,
    Leave,
    Liveness,
    Operation,
    ProcessInfo,
    Resume,
    Session,
    Statistics,
)

Answer = TypeVar("Answer")


class ShardedLayer(ShardedInterface):
    """A layer of several shards."""

    shards: LayerShards

    def lanes(self) -> Sequence[WorkerLayer]:
        """Return the shards, in order."""
        return self.all

    def announce_delayed(self, operations: Iterable[Operation]) -> None:
        """Tell the listeners of the home shard, which has what code outside consumers delays."""
        self.home().announce_delayed(operations)

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
            return shard.pull(channels, consumer, 0, count)
        except LayerUnavailable:
            return []

    def pending_deliveries(
        self, channels: Sequence[str], consumers: Sequence[str]
    ) -> list[Delivery]:
        """Return the deliveries that *consumers* have not finished, of the shards that answer."""
        found = self.ask_all(lambda shard: shard.pending_deliveries(channels, consumers))
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


def _total(found: Sequence[Statistics]) -> Statistics:
    """Return the sum of statistics; the highest of ages."""
    return {
        key: (max if key == "messages_max_age" else sum)(each[key] for each in found if key in each)
        for key in {key: None for each in found for key in each}
    }
