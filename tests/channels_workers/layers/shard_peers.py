"""What `shard_machine` drives, and what its model knows of it: sockets, sends and gaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    ConnectionSnapshot,
    InboxKind,
    InboxOperation,
    PendingMessage,
)


class Entry(NamedTuple):
    """The place of a step in the log of a shard."""

    source: str
    epoch: str
    seq: int


@dataclass
class Sent:
    """A message that a step on *source* has sent, *at* a tick, to a group or a channel."""

    number: int
    source: str
    target: str
    at: int
    entry: Entry | None = None


class Gap(NamedTuple):
    """A gap in the log of *source* that a server was told of, *at* a tick."""

    source: str
    value: str
    at: int

    def covers(self, sent: Sent) -> bool:
        """Say whether the message may be one of those that are lost."""
        if self.value == "?":
            return self.at > sent.at
        epoch, _, numbers = self.value.partition(":")
        first, _, last = numbers.partition("-")
        entry = sent.entry
        return entry is not None and entry.epoch == epoch and int(first) <= entry.seq <= int(last)


class Node:
    """A server on a shard, and the gaps that it was told of."""

    def __init__(
        self, server: Server, shard: str, now: Callable[[], int], all_gaps: list[Gap]
    ) -> None:
        self.server = server
        self.shard = shard
        self.began = now()
        self.epoch = ""  # of its shard, when it registered there
        self.registered_again = 0  # at this tick, after its shard had lost its data
        self.gaps: list[Gap] = []
        #: The shards that have lost their data since this one had a mark of them.
        self.owed: dict[str, int] = {}
        #: Those whose loss its shard had not noticed yet when it began.
        self.unpulled: set[str] = set()
        note = server.heard.note_gap

        def note_gap(operation: InboxOperation, entry: str) -> None:
            note(operation, entry)
            self.gaps.append(Gap(operation.target, operation.value.decode(), now()))
            all_gaps.append(self.gaps[-1])

        server._actions[InboxKind.GAP].run = note_gap

    def lost_from(self, source: str) -> int:
        """Return how many gaps of unknown size it was told of."""
        return sum(gap.source == source and gap.value == "?" for gap in self.gaps)


@dataclass
class Member:
    """What the model knows of a socket in a group.

    It certainly is one since the tick *since*, and perhaps was one at any tick up to *until*.
    """

    since: float = math.inf
    until: float = -1


@dataclass
class Socket:
    """A connection; it stands in for that of an interface server."""

    node: Node
    heard: Callable[[Socket, int], None]
    channel: str = ""
    order: int = -1
    in_flight: PendingMessage | None = None
    waiting: int = 0
    code: int | None = None  # its client is gone
    is_closed: bool = False  # and the layer knows it
    is_evicted: bool = False
    may_repeat: bool = False  # its shard has lost data
    taken: bool = False  # a worker has got a message of it
    received: list[int] = field(default_factory=list)
    finished: list[tuple[str, int]] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def shard(self) -> str:
        return self.node.shard

    @property
    def is_open(self) -> bool:
        return self.code is None and not self.is_evicted

    def member(self, group: str) -> Member:
        return self.members.setdefault(group, Member())

    def join(self, group: str, tick: int) -> None:
        if self.is_open:
            member = self.member(group)
            member.since, member.until = min(member.since, tick), math.inf

    def leave(self, group: str, tick: int) -> None:
        member = self.member(group)
        member.since, member.until = math.inf, min(member.until, tick)

    def leave_all(self, tick: int) -> None:
        for group in self.members:
            self.leave(group, tick)

    # As a connection of its server

    def deliver(self, content: dict[str, Any], to_group: bool = False) -> None:
        if self.is_open:
            self.heard(self, content["n"])

    def release(self, order: int) -> None:
        if order == self.order:
            self.in_flight = None

    def evicted(self) -> None:
        raise AssertionError("no machine evicts it this way")

    def end_told(self) -> None:
        pass

    def snapshot(self) -> ConnectionSnapshot | None:
        if self.order < 0:
            return None
        return ConnectionSnapshot(self.order, b"\x80", self.in_flight)

    def next_message(self, payload: bytes) -> tuple[str, int, bytes] | None:
        """Return what it publishes next, if it may publish."""
        if not self.is_open or self.in_flight is not None:
            return None
        if self.order >= 0 and not self.waiting:
            return None
        return (RECEIVE if self.order >= 0 else CONNECT), self.order + 1, payload

    def note_published(self, channel: str, payload: bytes) -> None:
        self.order += 1
        self.waiting -= channel == RECEIVE
        self.in_flight = PendingMessage(channel, payload)

    # What workers do

    def finish(self, channel: str, order: int) -> None:
        """A worker has committed one of its messages."""
        assert self.may_repeat or order == len(self.finished)
        assert self.may_repeat or not self.is_over
        self.finished.append((channel, order))

    @property
    def is_over(self) -> bool:
        return any(channel == DISCONNECT for channel, _ in self.finished)

    def check_end(self) -> None:
        """It has ended, and workers have finished everything."""
        ends = [order for channel, order in self.finished if channel == DISCONNECT]
        if self.may_repeat:
            return
        assert len(ends) == self.taken
        assert [order for _, order in self.finished] == list(range(len(self.finished)))
        if self.finished:
            assert self.finished[0][0] == CONNECT
            assert self.finished[-1][0] == DISCONNECT
