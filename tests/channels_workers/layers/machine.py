"""Random interleavings of everything that servers and workers do, checked against a small model.

The model states the promises, not how they are kept:

1. exactly-once effects: messages of a commit arrive once if it succeeded, never if it was stale;
2. order per connection: messages finish in the order of arrival, connect first, disconnect last;
3. one disconnect for each connection whose connect a worker took;
4. group membership: a send reaches the members at that time, once, in order, and no one else;
5. fan-out: a send to a group writes one entry for each server in it.

The machine drives sockets (`WebSocketProtocol`), servers (`Server`) and a layer step by step in one
thread, so that hypothesis can shrink failures.
"""

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from channels_workers.conf import Configuration
from channels_workers.exceptions import ServerEvicted
from channels_workers.interface.actions import Action, Close, Publish
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Closed,
    Committed,
    Delivery,
    Finished,
    Liveness,
    Operation,
    ProcessInfo,
    Published,
    Session,
)

CHANNELS = [CONNECT, RECEIVE, DISCONNECT, "work"]
GROUPS = ["red", "blue"]
SCOPE: dict[str, Any] = {"type": "websocket", "path": "/", "headers": []}


class Bus(Protocol):
    """A layer with a synchronous interface side."""

    layer: WorkerLayer

    def publish(self, channel: str, reply: str, order: int, payload: bytes) -> Published: ...

    def close(self, reply: str, code: int) -> Closed: ...

    def drain(self, server: Server) -> int:
        """Process the server's inbox. Returns the number of entries."""

    def depart(self, server: Server, channel: str) -> None:
        """Remove a channel from its groups."""


class Client:
    """A socket on a server, and what the model expects of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.channel = server.attach(self)
        self.connection = WebSocketProtocol(SCOPE, Configuration())
        self.connection.reply({"accept": True})
        self.steps: deque[Action] = deque()  # pending calls of the layer
        self.sent = 0
        self.received: list[int] = []
        self.expected: list[int] = []
        self.groups: set[str] = set()
        self.taken = False  # a worker has its connect, or had it and did not requeue it
        self.withdrawn = False  # it ended before that
        self.finished: list[str] = []  # channels of its finished messages, in order
        self.texts: list[int] = []  # finished frames, in order

    @property
    def is_open(self) -> bool:
        return not self.connection.has_ended

    def deliver(self, content: dict[str, Any], to_group: bool = False) -> None:
        if self.is_open:
            self.received.append(content["n"])

    def release(self, order: int) -> None:
        self.steps += self.connection.release(order)

    def evicted(self) -> None:
        raise AssertionError("no connection is lost here")

    def end_told(self) -> None:
        pass

    def snapshot(self) -> None:
        return None


class Machine(RuleBasedStateMachine):
    """The interleavings. A subclass creates the bus."""

    clients = Bundle("clients")
    deliveries = Bundle("deliveries")

    make_bus: Callable[[], Bus]

    #: A layer remembers previous ids of its process, so ids must not repeat.
    names = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)
        self.by_channel: dict[str, Client] = {}
        self.dead: set[str] = set()
        self.delayed: list[tuple[Client, int]] = []

    @initialize()
    def start(self) -> None:
        self.bus = type(self).make_bus()
        self.layer = self.bus.layer
        self.servers = [Server(self.layer.codec) for _ in range(2)]
        for server in self.servers:
            self.layer.register(server.id, ProcessInfo("server", "host", 1, 0.0))
        self.workers = [self._new_worker() for _ in range(3)]

    def _new_worker(self) -> str:
        name = f"worker{next(self.names)}"
        self.layer.register(name, ProcessInfo("worker", "host", 1, 0.0, 1, tuple(CHANNELS)))
        return name

    # Servers

    @rule(target=clients, number=st.integers(0, 1))
    def connect(self, number: int) -> Client:
        client = Client(self.servers[number])
        self.by_channel[client.channel] = client
        client.steps += client.connection.begin(client.channel)
        self._step(client)
        return client

    @rule(client=clients, frames=st.integers(1, 3))
    def send_frames(self, client: Client, frames: int) -> None:
        if client.is_open:
            for _ in range(frames):
                event = {"type": "websocket.receive", "text": str(client.sent)}
                client.steps += client.connection.receive(event)
                client.sent += 1
            self._step(client)

    @rule(client=clients)
    def publish_again(self, client: Client) -> None:
        """A server repeats its request after a lost reply."""
        if client.connection.is_finished:
            return
        order = client.connection.order
        reply = self._publish(client, CONNECT if order == 0 else RECEIVE, order, {"text": "again"})
        assert reply in (Published.REPEATED, Published.GONE)

    @rule(client=clients, code=st.sampled_from([1000, 1001, 1006]))
    def leave_page(self, client: Client, code: int) -> None:
        if client.is_open:
            client.steps += client.connection.end(code)
            client.groups.clear()
            self.bus.depart(client.server, client.channel)
            self._step(client)

    @rule(number=st.integers(0, 1), comes_back=st.booleans())
    def kill_server(self, number: int, comes_back: bool) -> None:
        """Mark a server dead. It may still act."""
        server = self.servers[number]
        clients = [client for client in self.by_channel.values() if client.server is server]
        ends = [client for client in clients if not client.connection.is_finished]
        self._mark_dead(server.id)
        for client in ends:
            order = client.connection.order
            client.connection.evict()
            client.sent = order
            client.withdrawn = order == 0 and not client.taken
            client.groups.clear()
            if comes_back:
                late = self._publish(client, RECEIVE, order + 1, {"text": "late"})
                assert late in (Published.GONE, Published.REPEATED)
                assert self.bus.close(client.channel, 1000) in (Closed.GONE, Closed.REPEATED)
        self.servers[number] = Server(self.layer.codec)
        self.layer.register(self.servers[number].id, ProcessInfo("server", "host", 1, 0.0))

    @rule(number=st.integers(0, 1))
    def read_inbox(self, number: int) -> None:
        self._drain(self.servers[number])

    # Workers

    @rule(target=deliveries, number=st.integers(0, 2))
    def pull(self, number: int) -> Any:
        found = self.layer.pull(CHANNELS, f"{self.workers[number]}.0", 0)
        for delivery in found:
            self._began(delivery)
        return multiple(*found)

    @rule(number=st.integers(0, 2))
    def kill_worker(self, number: int) -> None:
        """Mark a worker dead. It may still commit later."""
        self._mark_dead(self.workers[number])
        self.workers[number] = self._new_worker()

    @rule(number=st.integers(0, 2))
    def kill_worker_that_pulls_again(self, number: int) -> None:
        """Mark a worker dead, let it pull before it notices, then let it die."""
        process = self.workers[number]
        assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
        self.layer.admin.clean_up(process)
        held = self.layer.pull(CHANNELS, f"{process}.0", 0)
        for delivery in held:
            self._began(delivery)
        assert self.layer.admin.orphans() == ({process} if held else set())
        if held:
            assert self.layer.admin.mark_dead(process, 0)
            self.layer.admin.clean_up(process)
        assert all(self.layer.commit(Finished(one)) is Committed.STALE for one in held)
        self.workers[number] = self._new_worker()

    @rule(target=deliveries, number=st.integers(0, 2))
    def take_worker_for_dead(self, number: int) -> Any:
        """Mark a worker dead, let it pull before it notices, then let it go on under a new id."""
        process = self.workers[number]
        assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
        self.layer.admin.clean_up(process)
        held = self.layer.pull(CHANNELS, f"{process}.0", 0)
        for delivery in held:
            self._began(delivery)
        assert self.layer.heartbeat(process) is Liveness.EVICTED
        self.workers[number] = self._new_worker()
        assert self.layer.admin.orphans() == set()
        return multiple(*held)

    @rule(delivery=consumes(deliveries), counted=st.booleans(), failed=st.booleans())
    def requeue(self, delivery: Delivery, counted: bool, failed: bool) -> None:
        requeued = self.layer.requeue(delivery, counted=counted, failed=failed)
        never_ran = not (counted or delivery.attempts or delivery.failures or delivery.deaths)
        if requeued is Committed.DONE and delivery.channel == CONNECT and never_ran:
            self.by_channel[str(delivery.reply_channel)].taken = False

    @rule(delivery=consumes(deliveries), data=st.data())
    def commit(self, delivery: Delivery, data: st.DataObject) -> None:
        operations, expectations = self._operations(data)
        session = self._session(delivery)
        committed = self.layer.commit(Finished(delivery, operations, session))
        if committed is Committed.DONE:
            self._finished(delivery)
            for expect in expectations:
                expect()

    @rule(delivery=deliveries, kinds=st.text("jl", min_size=1, max_size=3), data=st.data())
    def change_groups(self, delivery: Delivery, kinds: str, data: st.DataObject) -> None:
        """A running consumer joins and leaves. Its worker may be dead."""
        if not (clients := list(self.by_channel.values())):
            return
        made = [self._for_client(k, data.draw(st.sampled_from(clients)), data) for k in kinds]
        changed = self.layer.change_groups(delivery, [change for change, _ in made])
        if changed is Committed.DONE:
            assert delivery.consumer.partition(".")[0] not in self.dead
            for _, expect in made:
                expect()

    # Code outside consumers

    @rule(data=st.data())
    def apply(self, data: st.DataObject) -> None:
        operations, expectations = self._operations(data)
        self.layer.apply(operations)
        for expect in expectations:
            expect()

    @rule(most=st.integers(1, 3))
    def send_due(self, most: int) -> None:
        """Workers send delayed messages. All are due at once, in the order of their sends."""
        while self.layer.admin.send_due(most).wait is not None:
            pass
        for client, number in self.delayed:
            if client.is_open:
                client.expected.append(number)
        self.delayed.clear()

    @rule(group=st.sampled_from(GROUPS))
    def send_group_alone(self, group: str) -> None:
        for server in self.servers:
            self._drain(server)
        members = self.layer.members(group)
        wanted = {c.server.id for c in self.by_channel.values() if group in c.groups}
        assert members == wanted
        operation, expect = self._group_send(group)
        self.layer.apply([operation])
        expect()
        entries = [self._drain(server) for server in self.servers]
        assert entries == [int(server.id in wanted) for server in self.servers]

    # Invariants after every step, and at the end

    @invariant()
    def in_order(self) -> None:
        for client in self.by_channel.values():
            assert client.received == client.expected[: len(client.received)]
            assert client.texts == list(range(len(client.texts)))
            assert client.finished[1:-1].count(DISCONNECT) == 0

    @precondition(lambda self: bool(self.by_channel))
    @rule()
    def all_calm(self) -> None:
        """Workers finish everything. Every socket has what the model expects."""
        self._finish_all()
        for client in self.by_channel.values():
            if client.is_open:
                assert client.received == client.expected
                assert client.texts == list(range(client.sent))
                assert client.connection.in_flight is None

    def teardown(self) -> None:
        if not hasattr(self, "bus"):
            return
        for client in self.by_channel.values():
            self.leave_page(client, 1001)
        self._finish_all()
        for client in self.by_channel.values():
            taken = [CONNECT, *[RECEIVE] * client.sent, DISCONNECT]
            assert client.finished == ([] if client.withdrawn else taken)
            assert self.layer.load_session(client.channel) is None
        for group in GROUPS:
            assert self.layer.members(group) == set()
        assert [self.layer.length(channel) for channel in CHANNELS] == [0, 0, 0, 0]

    # How

    def _mark_dead(self, process: str) -> None:
        self.dead.add(process)
        assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
        assert self.layer.heartbeat(process) is Liveness.EVICTED
        self.layer.admin.clean_up(process)

    def _step(self, client: Client) -> None:
        while client.steps:
            step = client.steps.popleft()
            if isinstance(step, Publish):
                reply = self._publish(client, step.channel, step.order, step.content)
                assert reply is Published.PUBLISHED
            elif isinstance(step, Close):
                client.withdrawn = self.bus.close(client.channel, step.code) is Closed.WITHDRAWN
                assert not (client.withdrawn and client.taken)

    def _publish(
        self, client: Client, channel: str, order: int, content: dict[str, Any]
    ) -> Published:
        payload = self.layer.encode({"text": content.get("text")})
        try:
            return self.bus.publish(channel, client.channel, order, payload)
        except ServerEvicted:
            assert client.server.id in self.dead
            return Published.GONE

    def _drain(self, server: Server) -> int:
        entries = self.bus.drain(server)
        for client in self.by_channel.values():
            if client.server is server:
                self._step(client)
        return entries

    def _began(self, delivery: Delivery) -> None:
        if delivery.reply_channel is not None:
            client = self.by_channel[delivery.reply_channel]
            client.taken = True
            assert delivery.order == len(client.finished)
            before = str(delivery.order - 1).encode() if delivery.order else None
            assert delivery.session == before

    def _session(self, delivery: Delivery) -> Session | None:
        if delivery.reply_channel is None:
            return None
        return Session(delivery.reply_channel, str(delivery.order).encode())

    def _finished(self, delivery: Delivery) -> None:
        assert delivery.consumer.partition(".")[0] not in self.dead
        if delivery.reply_channel is None:
            return
        client = self.by_channel[delivery.reply_channel]
        assert delivery.order == len(client.finished)
        client.finished.append(delivery.channel)
        if delivery.channel == RECEIVE:
            client.texts.append(int(self.layer.content(delivery)["text"]))

    def _operations(self, data: st.DataObject) -> tuple[list[Operation], list[Callable[[], None]]]:
        made = []
        for kind in data.draw(st.lists(st.sampled_from("dgjlsw"), max_size=4)):
            if kind == "g":
                made.append(self._group_send(data.draw(st.sampled_from(GROUPS))))
            elif kind == "w":
                made.append((self.layer.make_send("work", {"n": 0}), lambda: None))
            elif self.by_channel:
                client = data.draw(st.sampled_from(list(self.by_channel.values())))
                made.append(self._for_client(kind, client, data))
        return [operation for operation, _ in made], [expect for _, expect in made]

    def _group_send(self, group: str) -> tuple[Operation, Callable[[], None]]:
        number = next(self.numbers)

        def expect() -> None:
            for client in self.by_channel.values():
                if group in client.groups:
                    client.expected.append(number)

        return self.layer.make_group_send(group, {"n": number}), expect

    def _for_client(
        self, kind: str, client: Client, data: st.DataObject
    ) -> tuple[Operation, Callable[[], None]]:
        if kind == "s":
            number = next(self.numbers)
            send = self.layer.make_send(client.channel, {"n": number})
            return send, lambda: client.expected.append(number) if client.is_open else None
        if kind == "d":
            number = next(self.numbers)
            later = self.layer.make_send_later(client.channel, {"n": number}, 0)
            return later, lambda: self.delayed.append((client, number))
        group = data.draw(st.sampled_from(GROUPS))
        if kind == "j":
            join = self.layer.make_join(group, client.channel)
            return join, lambda: client.groups.add(group) if client.is_open else None
        return self.layer.make_leave(group, client.channel), lambda: client.groups.discard(group)

    def _finish_all(self) -> None:
        for _ in range(10_000):
            busy = sum(self._drain(server) for server in self.servers)
            for number in range(len(self.workers)):
                self.kill_worker(number)
            for delivery in self.layer.pull(CHANNELS, f"{self.workers[0]}.0", 0):
                busy += 1
                self._began(delivery)
                if (
                    self.layer.commit(Finished(delivery, (), self._session(delivery)))
                    is Committed.DONE
                ):
                    self._finished(delivery)
            if not busy:
                return
        raise AssertionError("it never becomes calm")
