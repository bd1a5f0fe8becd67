"""Random interleavings of everything that servers and workers do, checked against a small model.

The model states the promises, not how they are kept:

1. exactly-once effects: messages of a commit arrive once if it succeeded, never if it was stale;
2. order per connection: messages finish in the order of arrival, connect first, disconnect last;
3. one disconnect for each connection whose connect a worker took;
4. group membership: a send reaches the members at that time, once, in order, and no one else;
5. fan-out: a send to a group writes one entry for each server in it;
6. no lost work: a commit fails only if its worker was declared dead, or has requeued the message;
7. no leaks: of a connection that has ended, nothing is left.

The machine drives sockets (`WebSocketProtocol`), servers (`Server`) and a layer step by step in one
thread, so that hypothesis can shrink failures. `peers` has the model of one connection;
`request_machine` adds HTTP requests.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

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

from channels_workers.exceptions import ServerEvicted
from channels_workers.interface.actions import Close, Publish
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
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
from tests.channels_workers.layers.peers import Client, Peer, process_of

CHANNELS = [CONNECT, RECEIVE, DISCONNECT, REQUEST, REQUEST_DISCONNECT, "work"]
GROUPS = ["red", "blue"]


class Bus(Protocol):
    """A layer with a synchronous interface side."""

    layer: WorkerLayer
    #: Whether a server may repeat a request because the reply to it was lost.
    loses_replies: bool

    def publish(self, channel: str, reply: str, order: int, payload: bytes) -> Published: ...

    def close(self, reply: str, code: int) -> Closed: ...

    def drain(self, server: Server) -> int:
        """Process the server's inbox. Returns the number of entries."""

    def depart(self, server: Server, channel: str) -> None:
        """Remove a channel from its groups."""

    def withdraw(self, reply: str) -> bool: ...

    def tell(self, server: Server, reply: str, payload: bytes) -> None: ...

    def heartbeat(self, server: Server) -> None:
        """Tell the layer which ends the server has learned."""

    def left_of(self, reply: str) -> list[str]:
        """Return the names of what the layer keeps of a connection."""

    def left(self) -> list[str]:
        """Return the names of what it keeps of all connections, groups and dead servers."""


class Machine(RuleBasedStateMachine):
    """The interleavings. A subclass creates the bus."""

    clients = Bundle("clients")
    deliveries = Bundle("deliveries")

    make_bus: Callable[[], Bus]

    #: The shards of the servers, None for the only one.
    shards: ClassVar[Sequence[str | None]] = (None, None)

    #: What steps do: delays, sends, joins, leaves, and sends to a group and to an ordinary channel.
    kinds = "dgjlsw"

    #: A layer remembers previous ids of its process, so ids must not repeat.
    names = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)
        self.by_channel: dict[str, Peer] = {}
        self.sockets: list[Client] = []
        self.dead: set[str] = set()
        self.taken_for_dead: set[str] = set()
        self.delayed: list[tuple[Peer, int]] = []

    @initialize()
    def start(self) -> None:
        if hasattr(self, "bus"):
            return
        self.bus = type(self).make_bus()
        self.layer = self.bus.layer
        self.servers = [self._new_server(number) for number in range(2)]
        self.workers = [self._new_worker() for _ in range(3)]

    def _new_server(self, number: int) -> Server:
        server = Server(self.layer.codec, self.shards[number])
        self.layer.register(server.id, ProcessInfo("server", "host", 1, 0.0))
        return server

    def _new_worker(self) -> str:
        name = f"worker{next(self.names)}"
        self.layer.register(name, ProcessInfo("worker", "host", 1, 0.0, 1, tuple(CHANNELS)))
        return name

    # Servers

    @rule(target=clients, number=st.integers(0, 1))
    def connect(self, number: int) -> Client:
        client = Client(self.servers[number])
        self.by_channel[client.channel] = client
        self.sockets.append(client)
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
        """A server repeats its request after a lost reply, perhaps that of an ended socket."""
        is_open = not client.connection.is_finished
        loses_replies = self.bus.loses_replies and client.server in self.servers
        if not (is_open or (loses_replies and client.is_remembered)):
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
        self._mark_dead(server.id)
        for peer in self._peers_of(server):
            channel, order = peer.evict()
            if comes_back:
                late = self._publish(peer, channel, order, {"text": "late"})
                assert late in (Published.GONE, Published.REPEATED)
                assert self.bus.close(peer.channel, 1000) in (Closed.GONE, Closed.REPEATED)
        self.servers[number] = self._new_server(number)

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
        self.dead.add(process)
        assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
        self._clean_up(process)
        held = self.layer.pull(CHANNELS, f"{process}.0", 0)
        for delivery in held:
            self._began(delivery)
        assert self.layer.admin.orphans() == ({process} if held else set())
        if held:
            assert self.layer.admin.mark_dead(process, 0)
            self._clean_up(process)
        assert all(self.layer.commit(Finished(one)) is Committed.STALE for one in held)
        self.workers[number] = self._new_worker()

    @rule(target=deliveries, number=st.integers(0, 2))
    def take_worker_for_dead(self, number: int) -> Any:
        """Mark a worker dead, let it pull before it notices, then let it go on under a new id."""
        process = self.workers[number]
        self.taken_for_dead.add(process)
        assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
        self._clean_up(process)
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
        if peer := self._holder(delivery, requeued):
            peer.requeue(delivery, counted=counted)

    @rule(delivery=consumes(deliveries), data=st.data())
    def commit(self, delivery: Delivery, data: st.DataObject) -> None:
        self._commit(delivery, data, ends=False)

    def _commit(self, delivery: Delivery, data: st.DataObject, *, ends: bool) -> None:
        operations, expectations = self._operations(data)
        session = self._session(delivery)
        committed = self.layer.commit(Finished(delivery, operations, session, ends))
        if committed is Committed.DONE:
            for expect in expectations:
                expect()
        self._finished(delivery, committed, ends=ends)

    @rule(delivery=deliveries, kinds=st.text("jl", min_size=1, max_size=3), data=st.data())
    def change_groups(self, delivery: Delivery, kinds: str, data: st.DataObject) -> None:
        """A running consumer joins and leaves. Its worker may be dead."""
        if not (clients := list(self.by_channel.values())):
            return
        made = [self._for_client(k, data.draw(st.sampled_from(clients)), data) for k in kinds]
        changed = self.layer.change_groups(delivery, [change for change, _ in made])
        if changed is Committed.DONE:
            assert process_of(delivery) not in self.dead
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
            if client.expects:
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
        for peer in self.by_channel.values():
            peer.check_order()

    @precondition(lambda self: bool(self.by_channel))
    @rule()
    def all_calm(self) -> None:
        """Workers finish everything. Every connection has what the model expects."""
        self._finish_all()
        for peer in self.by_channel.values():
            peer.check_calm()

    def teardown(self) -> None:
        if not hasattr(self, "bus"):
            return
        for client in self.sockets:
            self.leave_page(client, 1001)
        self._finish_all()
        for peer in self.by_channel.values():
            peer.check_end()
            assert self.layer.load_session(peer.channel) is None
        for server in self.servers:
            self.bus.heartbeat(server)
        assert self.bus.left() == []
        for group in GROUPS:
            assert self.layer.members(group) == set()
        assert [self.layer.length(channel) for channel in CHANNELS] == [0] * len(CHANNELS)

    # How

    def _mark_dead(self, process: str) -> None:
        self.dead.add(process)
        assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
        assert self.layer.heartbeat(process) is Liveness.EVICTED
        self._clean_up(process)

    def _clean_up(self, process: str) -> None:
        letters = self.layer.admin.clean_up(process)
        given_up = [message_id for _, message_id in letters]
        for peer in self.by_channel.values():
            if (held := peer.held) is None:
                continue
            if held.id in given_up:
                assert process_of(held) in self._gone
                given_up.remove(held.id)
                self._give_up(peer)
            elif process_of(held) == process:
                peer.lose_worker()
        assert given_up == []

    def _give_up(self, peer: Peer) -> None:
        peer.give_up()

    @property
    def _gone(self) -> set[str]:
        """Workers that were declared dead. Their deliveries may have gone to others."""
        return self.dead | self.taken_for_dead

    def _peers_of(self, server: Server) -> list[Peer]:
        return [peer for peer in self.by_channel.values() if peer.server is server]

    def _step(self, client: Peer) -> None:
        while client.steps:
            step = client.steps.popleft()
            if isinstance(step, Publish):
                reply = self._publish(client, step.channel, step.order, step.content)
                assert reply is Published.PUBLISHED
            elif isinstance(step, Close):
                if self.bus.close(client.channel, step.code) is Closed.WITHDRAWN:
                    client.withdraw()
                assert not (client.withdrawn and client.taken)

    def _publish(
        self, client: Peer, channel: str, order: int, content: dict[str, Any]
    ) -> Published:
        payload = self.layer.encode({"text": content.get("text")})
        try:
            return self.bus.publish(channel, client.channel, order, payload)
        except ServerEvicted:
            assert client.server.id in self.dead
            return Published.GONE

    def _drain(self, server: Server) -> int:
        entries = self.bus.drain(server)
        for peer in self._peers_of(server):
            self._step(peer)
        return entries

    def _began(self, delivery: Delivery) -> None:
        if delivery.reply_channel is not None:
            self.by_channel[delivery.reply_channel].begin(delivery, self._gone)

    def _session(self, delivery: Delivery) -> Session | None:
        if delivery.reply_channel is None:
            return None
        return Session(delivery.reply_channel, str(delivery.order).encode())

    def _holder(self, delivery: Delivery, result: Committed) -> Peer | None:
        """Return the connection of a message if its consumer still held it."""
        if result is Committed.DONE:
            assert process_of(delivery) not in self.dead
        if delivery.reply_channel is None:
            return None
        peer = self.by_channel[delivery.reply_channel]
        if result is Committed.DONE:
            assert peer.held == delivery
            return peer
        assert result is Committed.STALE
        assert peer.held != delivery or process_of(delivery) in self._gone
        return None

    def _finished(self, delivery: Delivery, result: Committed, *, ends: bool = False) -> None:
        if peer := self._holder(delivery, result):
            peer.finish(delivery, ends=ends)
            if delivery.channel == RECEIVE:
                assert isinstance(peer, Client)
                peer.note_text(self.layer.content(delivery)["text"])
            assert not peer.is_over or self.bus.left_of(peer.channel) == []

    def _operations(self, data: st.DataObject) -> tuple[list[Operation], list[Callable[[], None]]]:
        made = []
        for kind in data.draw(st.lists(st.sampled_from(self.kinds), max_size=4)):
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
        self, kind: str, client: Peer, data: st.DataObject
    ) -> tuple[Operation, Callable[[], None]]:
        if kind == "s":
            number = next(self.numbers)
            send = self.layer.make_send(client.channel, {"n": number})
            return send, lambda: client.expected.append(number) if client.expects else None
        if kind == "d":
            number = next(self.numbers)
            later = self.layer.make_send_later(client.channel, {"n": number}, 0)
            return later, lambda: self.delayed.append((client, number))
        group = data.draw(st.sampled_from(GROUPS))
        if kind == "j":
            join = self.layer.make_join(group, client.channel)
            return join, lambda: client.groups.add(group) if client.expects else None
        return self.layer.make_leave(group, client.channel), lambda: client.groups.discard(group)

    def _finish_all(self) -> None:
        for _ in range(10_000):
            for number in range(len(self.workers)):
                self.kill_worker(number)
            busy = sum(self._drain(server) for server in self.servers)
            for delivery in self.layer.pull(CHANNELS, f"{self.workers[0]}.0", 0):
                busy += 1
                self._began(delivery)
                committed = self.layer.commit(Finished(delivery, (), self._session(delivery)))
                self._finished(delivery, committed)
            if not busy:
                return
        raise AssertionError("it never becomes calm")
