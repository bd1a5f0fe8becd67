"""The connections that `machine` drives, and what its model expects of them."""

from __future__ import annotations

from collections import deque
from typing import Any

from channels_workers.conf import Configuration
from channels_workers.interface.actions import Action
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    REQUEST_REFUSAL,
    Closed,
    Delivery,
    ReplyKind,
)

SCOPE: dict[str, Any] = {"type": "websocket", "path": "/", "headers": []}

#: What a client is told beside the numbers of messages.
REFUSED, RELEASED, ENDED = -502, -1, -2


class Peer:
    """A connection on a server."""

    def __init__(self, server: Server, kind: ReplyKind) -> None:
        self.server = server
        self.channel = server.attach(self, kind)
        self.received: list[int] = []
        self.expected: list[int] = []
        self.groups: set[str] = set()
        self.taken = False  # a worker has its first message, or had it and did not requeue it
        self.withdrawn = False  # it ended before that
        self.held: Delivery | None = None  # by a worker
        self.steps: deque[Action] = deque()  # pending calls of the layer
        self.session: bytes | None = None
        self.finished: list[str] = []  # channels of its finished messages, in order
        self.ends = 0  # how often it was told that it has ended

    @property
    def is_open(self) -> bool:
        """Whether it still reads what it is told."""
        raise NotImplementedError

    @property
    def is_over(self) -> bool:
        """Whether the layer has forgotten it."""
        return self.withdrawn or self.finished[-1:] in ([DISCONNECT], [REQUEST_DISCONNECT])

    @property
    def is_remembered(self) -> bool:
        """Whether Redis knows it, or still knows that it has ended."""
        if not self.is_over or self.channel in self.server.ended:
            return True
        return not self.withdrawn and not self.ends

    @property
    def expects(self) -> bool:
        """Whether what is sent to it from now on arrives."""
        return self.is_open and not self.is_over

    def deliver(self, content: dict[str, Any], to_group: bool = False) -> None:
        if self.is_open:
            self.received.append(REFUSED if content == REQUEST_REFUSAL else content["n"])

    def evicted(self) -> None:
        raise AssertionError("no connection is lost here")

    def snapshot(self) -> None:
        return None

    # What workers do

    def begin(self, delivery: Delivery, gone: set[str]) -> None:
        """A worker has pulled its message; those that are *gone* may have held it."""
        assert not self.is_over
        assert self.held is None or process_of(self.held) in gone
        assert delivery.order == len(self.finished)
        assert delivery.session == self.session
        self.taken = True
        self.held = delivery

    def requeue(self, delivery: Delivery, *, counted: bool) -> None:
        never_ran = not (counted or delivery.attempts or delivery.failures or delivery.deaths)
        if delivery.order == 0 and never_ran:
            self.taken = False
        self.held = None

    def finish(self, delivery: Delivery, *, ends: bool) -> None:
        """A worker has committed. The connection *ends* with that."""
        assert delivery.order == len(self.finished)
        self.finished.append(delivery.channel)
        self.session = str(delivery.order).encode()
        self.held = None

    def lose_worker(self) -> None:
        """Its message waits for another worker."""
        self.held = None

    def give_up(self) -> None:
        """Its message has become a dead letter."""
        raise AssertionError("only requests become dead letters here")

    # What servers do

    def release(self, order: int) -> None:
        raise NotImplementedError

    def end_told(self) -> None:
        self.ends += 1

    def withdraw(self) -> None:
        """It has ended before a worker took it, and its server knows that."""
        self.withdrawn = True
        self.server.ended.add(self.channel)

    def evict(self) -> tuple[str, int]:
        """Its server was declared dead. Return channel and order of what it may publish then."""
        raise NotImplementedError

    def check_order(self) -> None:
        """Check what must be true after every step."""
        assert self.received == self.expected[: len(self.received)]

    def check_calm(self) -> None:
        """Check it after workers have finished everything."""
        raise NotImplementedError

    def check_end(self) -> None:
        """Check it after it has ended, and workers have finished everything."""
        raise NotImplementedError


class Client(Peer):
    """A socket."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, ReplyKind.SOCKET)
        self.connection = WebSocketProtocol(SCOPE, Configuration())
        self.connection.reply({"accept": True})
        self.sent = 0
        self.texts: list[int] = []  # finished frames, in order

    @property
    def is_open(self) -> bool:
        return not self.connection.has_ended

    def release(self, order: int) -> None:
        self.steps += self.connection.release(order)

    def note_text(self, text: str) -> None:
        """One of its frames is finished."""
        self.texts.append(int(text))

    def evict(self) -> tuple[str, int]:
        order = self.connection.order
        if not self.connection.is_finished:
            self.connection.evict()
            self.sent = order
            self.withdrawn = order == 0 and not self.taken
            self.groups.clear()
        return RECEIVE, order + 1

    def check_order(self) -> None:
        super().check_order()
        assert self.texts == list(range(len(self.texts)))
        assert self.finished[1:-1].count(DISCONNECT) == 0

    def check_calm(self) -> None:
        if self.is_open:
            assert self.received == self.expected
            assert self.texts == list(range(self.sent))
            assert self.connection.in_flight is None

    def check_end(self) -> None:
        taken = [CONNECT, *[RECEIVE] * self.sent, DISCONNECT]
        assert self.finished == ([] if self.withdrawn else taken)


class Page(Peer):
    """An HTTP request."""

    def __init__(self, server: Server, kind: ReplyKind) -> None:
        super().__init__(server, kind)
        self.kind = kind
        self.reads = True  # its client is there, and its server has not told that it is over
        self.closed = False  # it was closed after a worker took it, or its server died
        self.complete = False  # it ended with a commit
        self.owed_ends = 0
        self.told: deque[bytes] = deque()  # what its consumer has not heard

    @property
    def is_open(self) -> bool:
        return self.reads

    @property
    def is_over(self) -> bool:
        return super().is_over or self.complete

    @property
    def may_be_withdrawn(self) -> bool:
        return not (self.is_over or self.closed or self.taken)

    def release(self, order: int) -> None:
        assert order == 0
        if self.reads:
            self.received.append(RELEASED)

    def end_told(self) -> None:
        super().end_told()
        assert self.ends <= self.owed_ends
        if self.reads:
            self.received.append(ENDED)
        self.reads = False

    def evict(self) -> tuple[str, int]:
        self.close()
        self.leave()
        return REQUEST, 0

    def leave(self) -> None:
        """Its client has gone, or its server was declared dead."""
        self.reads = False
        self.groups.clear()

    def withdraw(self) -> None:
        super().withdraw()
        self.leave()
        self.told.clear()

    def close(self) -> Closed:
        """Return what a close has to return."""
        if self.is_over:
            return Closed.GONE
        if self.closed:
            return Closed.REPEATED
        if self.may_be_withdrawn:
            self.withdraw()
            return Closed.WITHDRAWN
        self.closed = True
        return Closed.PUBLISHED if self.finished else Closed.CLOSING

    # What workers do

    def begin(self, delivery: Delivery, gone: set[str]) -> None:
        assert delivery.channel == (REQUEST, REQUEST_DISCONNECT)[delivery.order]
        if self._may_run_once(delivery):
            assert self.held is None
            assert delivery.deaths == 0
        super().begin(delivery, gone)

    def _may_run_once(self, delivery: Delivery) -> bool:
        return self.kind is ReplyKind.ONCE and delivery.order == 0

    def lose_worker(self) -> None:
        assert self.held is not None
        assert not self._may_run_once(self.held)
        super().lose_worker()

    def finish(self, delivery: Delivery, *, ends: bool) -> None:
        super().finish(delivery, ends=ends)
        self.complete = ends
        self._go_on()

    def give_up(self) -> None:
        assert self.held is not None
        self.finished.append(self.held.channel)
        if self.held.channel == REQUEST and self.reads:
            self.expected.append(REFUSED)
        self.held = None
        self._go_on()

    def _go_on(self) -> None:
        self.told.clear()
        if self.is_over:
            self.owed_ends += 1
            self.groups.clear()
        if self.reads:
            self.expected.append(ENDED if self.is_over else RELEASED)

    # Checks

    def check_calm(self) -> None:
        assert self.held is None
        assert self.is_over or not self.closed
        if self.reads:
            assert not self.is_over
            assert self.received == self.expected

    def check_end(self) -> None:
        both = [REQUEST, REQUEST_DISCONNECT]
        assert self.finished == both[: len(self.finished)]
        assert self.withdrawn == (not self.finished)
        assert len(self.finished) != 1 or self.complete


def process_of(delivery: Delivery) -> str:
    """The worker process that holds it."""
    return delivery.consumer.partition(".")[0]
