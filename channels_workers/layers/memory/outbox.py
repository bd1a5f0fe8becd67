"""Carries out what was sent, joined and left, as ``outbox.lua`` does; the store locks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from channels_workers.layers.memory.groups import Groups
from channels_workers.layers.memory.inboxes import Inboxes
from channels_workers.layers.memory.plan import Plan
from channels_workers.layers.memory.processes import Processes
from channels_workers.layers.memory.streams import Streams
from channels_workers.layers.types import Operation


class Outbox:
    """Plans what operations will write, and writes it into *inboxes*, *groups* and *streams*.

    *listeners*, by server id, are called when an inbox got an entry and everything is written.
    """

    def __init__(
        self,
        processes: Processes,
        inboxes: Inboxes,
        groups: Groups,
        streams: Streams,
        listeners: Mapping[str, Callable[[], None]],
    ) -> None:
        self.processes = processes
        self.inboxes = inboxes
        self.groups = groups
        self.streams = streams
        self.listeners = listeners

    def plan(
        self, operations: Sequence[Operation], parent: str, capacity_of: Callable[[str], int]
    ) -> Plan:
        """Return what *operations* will write; ChannelFull if a channel that they send to is."""
        lengths = self.streams.lengths()
        plan = Plan(self.processes.counters, self.groups.members, lengths, capacity_of)
        plan.add_all(operations, parent)
        return plan

    def write(self, plan: Plan) -> None:
        """Write what was planned."""
        entries = {
            server: self.inboxes.add(server, operations)
            for server, operations in plan.inboxes.items()
        }
        for group, member, joins in plan.changes:
            if joins:
                self.groups.join(group, member, entries.get(member, ""))
            else:
                self.groups.leave(group, member)
        for message in plan.messages:
            self.streams.add(message)
        for server in plan.inboxes:
            if server in self.listeners:
                self.listeners[server]()
