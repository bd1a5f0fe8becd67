"""The state of each shard of a layer, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.shards.states import View, view
from channels_workers.layers.shards.types import ShardState


@dataclass(frozen=True)
class ShardReport:
    """The shard *name*, and the *address* of its data without secrets.

    *waiting* counts messages in ordinary channels, those in flight too. Its log has so many
    *log_entries* and *log_bytes*; *dropped* ones were missed by some shard, and each other shard is
    *behind* by so many. These processes, by id, are *strangers*: they do not know it. If it is
    away, *why* says it, and all numbers are 0.
    """

    name: str
    address: str
    state: ShardState
    why: str = ""
    servers: int = 0
    connections: int = 0
    waiting: int = 0
    delayed: int = 0
    log_entries: int = 0
    log_bytes: int = 0
    dropped: int = 0
    behind: Mapping[str, int] = field(default_factory=dict)
    has_puller: bool = False
    strangers: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it can be taken away: nothing is there, and all others have its log."""
        rest = self.connections + self.waiting + self.delayed + sum(self.behind.values())
        return self.state is ShardState.DRAINING and rest == 0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "behind": dict(self.behind), "is_empty": self.is_empty}


def reports(layer: WorkerLayer) -> list[ShardReport]:
    """Return the reports of all shards of *layer*, none for a layer with one.

    Raises :class:`LayerUnavailable` if no shard answers.
    """
    if layer.shards is None:
        return []
    found = view(layer.shards)
    if len(found.away) == len(found.names):
        raise LayerUnavailable("; ".join(found.away.values()))
    return [_report(shard, found) for shard in layer.lanes()]


def _report(shard: WorkerLayer, found: View) -> ShardReport:
    name = shard.shard or ""
    about = ShardReport(name, shard.address, found.state(name), found.away.get(name, ""))
    if about.state is ShardState.AWAY:
        return about
    try:
        facts, status = found.facts[name], shard.admin.status()
    except LayerUnavailable as error:  # just now
        return ShardReport(name, about.address, ShardState.AWAY, str(error))
    return ShardReport(
        name,
        about.address,
        about.state,
        servers=len(status.servers),
        connections=sum(server.connections for server in status.servers),
        waiting=sum(each.waiting + each.in_flight for each in status.channels),
        delayed=status.delayed,
        log_entries=facts.entries,
        log_bytes=facts.size,
        dropped=facts.dropped,
        behind=found.behind(name),
        has_puller=facts.puller != "",
        strangers=tuple(sorted(found.strangers(name))),
    )
