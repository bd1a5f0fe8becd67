"""What a list of operations will write: all of it is checked first, as ``outbox.lua`` does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress

from channels_workers.exceptions import ChannelFull
from channels_workers.layers.memory.connections import CLOSING, DISCONNECTING, Record
from channels_workers.layers.types import (
    Delivery,
    GroupSend,
    InboxOperation,
    Join,
    Leave,
    Operation,
    Send,
    server_of,
)


class Plan:
    """Collects what to write: ``inboxes`` by server, ``messages``, ``changes`` of groups.

    *processes*, *groups* and *lengths* (messages by channel) are read, not changed.
    """

    def __init__(
        self,
        processes: Container[str],
        groups: Mapping[str, Mapping[str, str]],
        lengths: Mapping[str, int],
        capacity_of: Callable[[str], int],
    ) -> None:
        self.processes = processes
        self.groups = groups
        self.lengths = dict(lengths)
        self.capacity_of = capacity_of
        self.inboxes: dict[str, list[InboxOperation]] = defaultdict(list)
        self.messages: list[Delivery] = []
        #: Group, member, and whether it joins; ordinary channels have ``*`` before their name.
        self.changes: list[tuple[str, str, bool]] = []
        self._members: dict[str, set[str]] = {}

    def add_all(self, operations: Sequence[Operation], parent: str) -> None:
        """Plan *operations*, whose messages get ids below *parent*."""
        for number, operation in enumerate(operations, 1):
            match operation:
                case Send(channel, payload):
                    self.send(Delivery(channel, "", "", f"{parent}.{number}", payload))
                case GroupSend(group, payload):
                    self.send_group(group, Delivery("", "", "", f"{parent}.{number}", payload))
                case Join(group, channel):
                    self.join(group, channel)
                case Leave(group, channel):
                    self.leave(group, channel)

    def add(self, server: str, kind: str, target: str, value: bytes) -> None:
        """Plan one operation for the inbox of a server."""
        self.inboxes[server].append(InboxOperation(kind, target, value))

    def send(self, message: Delivery) -> None:
        """Plan a message to its channel; :class:`ChannelFull` at the channel's capacity."""
        channel = message.channel
        server = server_of(channel)
        if server is None:
            length = self.lengths.get(channel, 0)
            if length >= self.capacity_of(channel):
                raise ChannelFull(channel, length)
            self.lengths[channel] = length + 1
            self.messages.append(message)
        elif server in self.processes:
            self.add(server, "s", channel, message.payload)

    def send_group(self, group: str, message: Delivery) -> None:
        """Plan a message to each member of a group; a full channel is passed over."""
        for member in self.members(group):
            if member.startswith("*"):
                with suppress(ChannelFull):
                    self.send(message._replace(channel=member[1:]))
            elif member in self.processes:
                self.add(member, "g", group, message.payload)

    def join(self, group: str, channel: str) -> None:
        """Plan that *channel* joins."""
        server = server_of(channel)
        if server is None:
            self._change(group, f"*{channel}", joins=True)
        elif server in self.processes:
            self.add(server, "j", group, channel.encode())
            self._change(group, server, joins=True)

    def leave(self, group: str, channel: str) -> None:
        """Plan that *channel* leaves; its server itself finds out when it has no member left."""
        server = server_of(channel)
        if server is None:
            self._change(group, f"*{channel}", joins=False)
        elif server in self.processes:
            self.add(server, "l", group, channel.encode())

    def release(self, reply: str, record: Record) -> None:
        """Plan to tell the server that the message under way is finished, or that all is over."""
        server = server_of(reply)
        if record.state == CLOSING or server is None or server not in self.processes:
            return
        if record.state == DISCONNECTING:
            self.add(server, "e", reply, b"")
        else:
            self.add(server, "r", reply, str(record.order).encode())

    def members(self, group: str) -> set[str]:
        """Return the members of a group after what is planned so far."""
        if group not in self._members:
            self._members[group] = set(self.groups.get(group, ()))
        return self._members[group]

    def _change(self, group: str, member: str, *, joins: bool) -> None:
        members = self.members(group)
        (members.add if joins else members.discard)(member)
        self.changes.append((group, member, joins))
