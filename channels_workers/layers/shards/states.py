"""The states of shards: which may have new sockets, and who does not know one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.shards.asking import ask_all_at_once
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.types import ShardFacts, ShardState
from channels_workers.layers.types import ProcessInfo
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

UNKNOWN = (
    "Process %s (%s:%d) does not know shard %s, or takes another one for the first: what it sends "
    "does not reach all sockets. Give it the same `hosts` as all others, and restart it"
)


@dataclass(frozen=True)
class View:
    """What all shards say at one time; those in *away*, with the reason, say nothing."""

    names: Sequence[str]
    facts: Mapping[str, ShardFacts] = field(default_factory=dict)
    processes: Mapping[str, Mapping[str, ProcessInfo]] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)

    def state(self, shard: str) -> ShardState:
        """Return the state of *shard*. The first one is open unless it is said otherwise."""
        if shard in self.away:
            return ShardState.AWAY
        said = [facts.states[shard] for facts in self.facts.values() if shard in facts.states]
        if ShardState.DRAINING in said:
            return ShardState.DRAINING
        own = self.facts[shard].states.get(shard)
        return ShardState.OPEN if shard == self.names[0] else own or ShardState.NEW

    def strangers(self, shard: str) -> dict[str, ProcessInfo]:
        """Return the processes, by id, that do not know *shard*, or take another for the first.

        The first one has the channels without a shard in their names, and the stored sends.
        """
        return {
            name: about
            for there in self.processes.values()
            for name, about in there.items()
            if not _agrees(about.shards or tuple(self.names[:1]), shard, self.names[0])
        }

    def behind(self, source: str) -> dict[str, int]:
        """Return how many entries of the log of *source* each other shard has not applied yet."""
        newest = self.facts[source].newest
        return {
            name: newest.seq - (mark.seq if mark.epoch == newest.epoch else 0)
            for name, facts in self.facts.items()
            if (mark := facts.marks.get(source)) is not None
        }


def _agrees(known: Sequence[str], shard: str, first: str) -> bool:
    return shard in known and known[0] == first


def view(shards: LayerShards) -> View:
    """Ask all shards at once. One that takes much longer than the others is away."""
    found, failed = ask_all_at_once(
        shards.names(), lambda name: (shards.look(name), shards.processes(name))
    )
    return View(
        shards.names(),
        {name: facts for name, (facts, _) in found.items()},
        {name: processes for name, (_, processes) in found.items()},
        {name: str(error) for name, error in failed.items()},
    )


def set_state(shards: LayerShards, shard: str, state: ShardState) -> list[str]:
    """Note the state of *shard* on all that answer, as it may lose its data; return the others.

    Raises :class:`LayerUnavailable` if *shard* itself does not answer.
    """
    shards.note_state(shard, shard, state)
    missed = []
    for name in shards.names():
        try:
            shards.note_state(name, shard, state)
        except LayerUnavailable:
            missed.append(name)
    return missed


class Opener:
    """Opens *shard* to new sockets when all processes know it, and tells of those that do not."""

    def __init__(self, shards: LayerShards, shard: str) -> None:
        self._shards = shards
        self._shard = shard
        self._told: set[str] = set()

    def look(self) -> None:
        """Look once, at all shards."""
        found = view(self._shards)
        if found.away:  # nobody knows which processes are there
            return
        strangers, state = found.strangers(self._shard), found.state(self._shard)
        if state is ShardState.NEW and not strangers:
            set_state(self._shards, self._shard, ShardState.OPEN)
            extra = fields("shard_opened")
            logger.info("Shard %s is open to new sockets", self._shard, extra=extra)
        elif state is ShardState.OPEN:
            self._tell(strangers)

    def _tell(self, strangers: Mapping[str, ProcessInfo]) -> None:
        for name, about in strangers.items():
            if name not in self._told:
                extra = fields("shard_unknown", process_id=name)
                logger.error(UNKNOWN, name, about.host, about.pid, self._shard, extra=extra)
        self._told = set(strangers)
