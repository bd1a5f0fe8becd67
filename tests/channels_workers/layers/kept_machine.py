"""Random interleavings of what clients, servers and workers do with kept connections.

The model states the promises:

1. what a client sends takes effect once, in its order, whatever server it comes back to;
2. what goes to a client reaches it once, in order; after a gap, all that came since it is back;
3. one disconnect, the last message, unless a client is back before a worker has it;
4. the session and the groups go with the connection;
5. of a connection that has ended, nothing is left.

A server that was killed does nothing more. What it had read and not published is sent again by its
clients, what it had for them is gone.
"""

import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Codec
from channels_workers.layers.kept import LOST, Adopted, Adoption, Arrival, Claim, Kept, Parked
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    RESUME,
    RESUMES,
    Closed,
    Committed,
    Delivery,
    Finished,
    ProcessInfo,
    Published,
    ReplyKind,
    Session,
)

CHANNELS = [CONNECT, RECEIVE, DISCONNECT, RESUME]
GROUPS = ["red", "blue"]

#: How many clients there are at most; so each of them lives through a lot.
CLIENTS = 2


class KeptBus(Protocol):
    """A layer with a synchronous interface side."""

    layer: WorkerLayer

    def publish_for(
        self, server: Server, channel: str, reply: str, order: int, payload: bytes
    ) -> Published: ...

    def close_for(self, server: Server, reply: str, code: int) -> Closed: ...

    def park(self, claim: Claim, reply: str, code: int) -> Parked: ...

    def adopt(self, claim: Claim, reply: str, has: int, known: Kept | None) -> Adoption | None: ...

    def drain(self, server: Server) -> int:
        """Process the server's inbox. Returns the number of entries."""

    def depart(self, server: Server, channel: str) -> None:
        """Forget a channel, which leaves its groups."""

    def make_due(self) -> None:
        """Let the time of all that wait be over."""

    def heartbeat(self, server: Server) -> None:
        """Tell the layer which ends the server has learned."""

    def left(self) -> list[str]:
        """Return the names of what it keeps of all connections, groups and dead servers."""


class Node:
    """An interface server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_alive = True


#: The owner of a connection that no server has.
NOBODY = Node(Server(Codec(1000)))
NOBODY.is_alive = False


class Socket:
    """What a server has of a connection."""

    def __init__(self, client: "Client", node: Node, channel: str = "") -> None:
        self.client = client
        self.node = node
        self.channel = channel
        self.is_open = True
        self.has_it = False  # the server has adopted the connection, and not handed it over
        self.adoption = ""  # by which its server has it
        self.base = 0  # how many frames went to the client before those in the buffer
        self.buffer: list[int] = []
        self.queue: deque[tuple[str, int]] = deque()  # messages that wait
        self.order = -1
        self.is_busy = False
        self.ends = 0

    def deliver(self, content: dict[str, Any], to_group: bool = False) -> None:
        self.buffer.append(content["n"])

    def release(self, order: int) -> None:
        try:  # the server logs errors, and goes on
            assert order <= self.order
            if self.is_busy and order == self.order:  # else it was known from the adoption
                self.is_busy = False
                self.client.publish(self)
        except AssertionError as error:
            self.client.faults.append(error)

    def end_told(self) -> None:
        self.ends += 1
        if self.ends > 1:
            self.client.faults.append(AssertionError("it ends twice"))

    def evicted(self) -> None:
        raise AssertionError("no connection is lost here")

    def snapshot(self) -> None:
        return None

    def resumed(self, adopted: Adopted) -> None:
        client = self.client
        self.order, self.is_busy = adopted.order, adopted.pending is not None
        self.base = len(client.got)
        self.buffer += [each["n"] for each in adopted.missed]
        self.has_it = True
        if adopted.is_heard:
            self.queue.append((RESUME, 0))
        self.queue += [(RECEIVE, n) for n in range(adopted.received + 1, client.sent + 1)]
        if adopted.is_gap:
            client.expected[len(client.got) : client.adopted_at] = []

    def hand_over(self, has: int) -> Sequence[dict[str, Any]] | None:
        self.is_open = self.has_it = False
        self.queue.clear()
        if has < self.base:
            return None
        return [{"n": number} for number in self.buffer[has - self.base :]]


class Client:
    """A client, and what the model expects of its connection."""

    def __init__(self, node: Node, publish: Callable[[Socket], None]) -> None:
        self.publish = publish
        self.faults: list[AssertionError] = []
        self.socket = Socket(self, node)
        self.channel = node.server.attach(self.socket, ReplyKind.KEPT)
        self.socket.channel = self.channel
        self.socket.has_it = True
        self.owner = node
        self.adoption = ""  # the last
        self.sent = 0
        self.published = 0
        self.is_pending = False  # a message of it waits, or is with a worker
        self.got: list[int] = []
        self.expected: list[int] = []
        self.adopted_at = 0  # how much was expected when its connection moved last
        self.groups: set[str] = set()
        self.session: bytes | None = None
        self.is_taken = False  # a worker has its connect, or had it
        self.finished: list[str] = []
        self.effects = 0
        self.is_closed = False
        self.is_ending = False  # a worker has its disconnect
        self.adopting: tuple[Socket, Arrival, Adopted] | None = None

    @property
    def is_open(self) -> bool:
        return self.socket.is_open and self.socket.has_it and self.socket.node.is_alive

    @property
    def is_over(self) -> bool:
        return self.finished[-1:] == [DISCONNECT]

    def expect(self, number: int) -> None:
        """It is sent this."""
        if self.owner.is_alive and not (self.is_closed or self.is_over):
            self.expected.append(number)

    def read(self, count: int) -> None:
        socket = self.socket
        if self.is_open:
            start = len(self.got) - socket.base
            assert start >= 0
            self.got += socket.buffer[start : start + count]
            assert self.got == self.expected[: len(self.got)]

    def finish(self, channel: str, number: int) -> None:
        assert not self.is_over
        self.finished.append(channel)
        if channel == RECEIVE:
            self.effects += 1
            assert number == self.effects
        self.is_pending = False


class KeptMachine(RuleBasedStateMachine):
    """The interleavings. A subclass creates the bus."""

    clients = Bundle("clients")
    deliveries = Bundle("deliveries")

    make_bus: Callable[[], KeptBus]
    names = itertools.count(1)

    @initialize()
    def start(self) -> None:
        if hasattr(self, "bus"):
            return
        self.numbers = itertools.count(1)
        self.known: dict[str, Client] = {}
        self.dead: list[Node] = []
        self.bus = type(self).make_bus()
        self.layer = self.bus.layer
        self.nodes = [self._new_node() for _ in range(3)]
        self.worker = f"kept{next(self.names)}"
        about = ProcessInfo("worker", "host", 1, 0.0, 1, tuple(CHANNELS), features=(RESUMES,))
        self.layer.register(self.worker, about)

    def _new_node(self) -> Node:
        node = Node(Server(self.layer.codec))
        about = ProcessInfo("server", "host", 1, 0.0, features=(RESUMES,))
        self.layer.register(node.server.id, about)
        return node

    # Clients and their servers

    @precondition(lambda self: len(self.known) < CLIENTS)
    @rule(target=clients, number=st.integers(0, 2), groups=st.sets(st.sampled_from(GROUPS)))
    def connect(self, number: int, groups: set[str]) -> Client:
        """Connect a client; a worker lets it join *groups*."""
        client = self._connect(number)
        joins = [self.layer.make_join(group, client.channel) for group in groups]
        while not client.finished:
            self.pull_all({client.channel: joins})
        client.groups |= groups
        return client

    @precondition(lambda self: len(self.known) < CLIENTS)
    @rule(target=clients, number=st.integers(0, 2))
    def begin_to_connect(self, number: int) -> Client:
        return self._connect(number)

    def _connect(self, number: int) -> Client:
        client = Client(self.nodes[number], self._publish)
        self.known[client.channel] = client
        client.socket.queue.append((CONNECT, 0))
        self._publish(client.socket)
        return client

    @rule(client=clients, count=st.integers(1, 3))
    def send_frames(self, client: Client, count: int) -> None:
        if client.is_open and not client.is_closed:
            for _ in range(count):
                client.sent += 1
                client.socket.queue.append((RECEIVE, client.sent))
            self._publish(client.socket)

    @rule(client=clients, count=st.integers(1, 3))
    def read(self, client: Client, count: int) -> None:
        client.read(count)

    @rule(client=clients, parks=st.booleans())
    def lose(self, client: Client, parks: bool) -> None:
        client.socket.is_open = False
        socket = client.socket
        if parks and socket.has_it and socket.node.is_alive and not client.is_closed:
            self._park(client)

    def _park(self, client: Client) -> None:
        claim = client.socket.node.server.kept.claim(client.channel)
        self.bus.park(claim, client.channel, 1006)

    @rule(client=clients)
    def close(self, client: Client) -> None:
        if client.is_open and not client.is_closed:
            self._close(client)

    def _close(self, client: Client) -> None:
        client.is_closed, client.socket.is_open = True, False
        client.socket.queue.clear()
        closed = self.bus.close_for(client.socket.node.server, client.channel, 1000)
        if closed is Closed.WITHDRAWN:
            del self.known[client.channel]
            client.socket.node.server.ended.add(client.channel)
        self.bus.depart(client.socket.node.server, client.channel)

    @rule(client=clients, number=st.integers(0, 2))
    def resume(self, client: Client, number: int) -> None:
        if client.channel not in self.known or not client.finished:
            return  # it has no token
        client.socket.is_open = False
        node, channel = self.nodes[number], client.channel
        if client.adopting and client.adopting[0].node is node:
            return  # a server adopts a connection once at a time
        socket, kept = Socket(client, node, channel), node.server.kept
        arrival = kept.expect(channel, socket)
        claim = Claim(node.server.id, arrival.adoption)
        found = self.bus.adopt(claim, channel, len(client.got), kept.known(channel, arrival))
        if found is None:
            assert client.is_closed or client.is_over or client.is_ending
            kept.forget(channel)
            if kept.stands_in(channel, arrival):
                self.bus.depart(node.server, channel)
            return
        assert not client.is_closed
        assert not client.is_over
        assert not client.is_ending
        assert found.adopted.received == client.published
        assert found.adopted.session == client.session
        assert (found.adopted.pending is not None) == client.is_pending
        client.owner, client.adopted_at = node, len(client.expected)
        client.adopting = socket, arrival, found.adopted
        is_here = kept.had(channel, found)
        socket.adoption = client.adoption = found.before if is_here else arrival.adoption
        if is_here:
            self._admit(client, kept.replace(channel, len(client.got)))
        elif found.adopted.former in ("", node.server.id):
            arrival.finish(None)
            self.admit(client, has_patience=True)

    @rule(client=clients, has_patience=st.booleans())
    def admit(self, client: Client, has_patience: bool) -> None:
        """Go on with what the former server had, or without that."""
        if client.adopting is None:
            return
        socket, arrival, _ = client.adopting
        is_here = socket.node.server.kept.stands_in(client.channel, arrival)
        if not socket.node.is_alive:
            client.adopting = None
        elif is_here and (arrival.is_known or not has_patience):
            self._admit(client, arrival.missed)
        elif not has_patience:  # it has not learned that it had not got the connection any more
            client.adopting, client.owner = None, NOBODY
            socket.node.server.kept.forget(client.channel)
            self.bus.park(Claim(socket.node.server.id, arrival.adoption), client.channel, LOST)

    def _admit(self, client: Client, missed: tuple[dict[str, Any], ...] | None) -> None:
        assert client.adopting is not None
        socket, arrival, adopted = client.adopting
        client.adopting, client.socket = None, socket
        adopted = adopted.with_missed(missed)
        socket.node.server.kept.admit(client.channel, arrival, adopted)
        self._publish(socket)

    def _publish(self, socket: Socket) -> None:
        client = socket.client
        while socket.queue and not socket.is_busy and socket.node.is_alive:
            channel, number = socket.queue[0]
            payload = self.layer.encode({"n": number})
            message = (channel, socket.channel, socket.order + 1, payload)
            published = self.bus.publish_for(socket.node.server, *message)
            if published is Published.PUBLISHED:
                assert socket.adoption == client.adoption
                assert not client.is_pending
                socket.queue.popleft()
                socket.order += 1
                socket.is_busy = client.is_pending = True
                client.published += channel == RECEIVE
            else:
                if published is Published.MOVED:
                    assert socket.adoption != client.adoption or client.is_over
                else:
                    assert published is Published.GONE
                    assert not socket.is_open
                socket.queue.clear()

    @rule(number=st.integers(0, 2))
    def read_inbox(self, number: int) -> None:
        self._drain(self.nodes[number])

    def _drain(self, node: Node) -> int:
        entries = self.bus.drain(node.server)
        for client in list(self.known.values()):
            for fault in client.faults:
                raise fault
        return entries

    @rule(number=st.integers(0, 2))
    def kill(self, number: int) -> None:
        node = self.nodes[number]
        node.is_alive = False
        self.dead.append(node)
        self.nodes[number] = self._new_node()

    @rule()
    def clean_up(self) -> None:
        """A worker declares the servers dead that were killed."""
        while self.dead:
            process = self.dead.pop().server.id
            assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
            assert self.layer.admin.clean_up(process) == []

    @rule()
    def let_time_pass(self) -> None:
        self.bus.make_due()
        self.layer.admin.send_due()

    # Workers

    @rule(target=deliveries)
    def pull(self) -> Any:
        found = self.layer.pull(CHANNELS, f"{self.worker}.0", 0)
        for delivery in found:
            self._began(delivery)
        return multiple(*found)

    def _began(self, delivery: Delivery) -> None:
        client = self.known[str(delivery.reply_channel)]
        assert delivery.order == len(client.finished)
        assert delivery.session == client.session
        assert not client.is_ending
        client.is_taken = True
        client.is_ending = delivery.channel == DISCONNECT

    @rule(delivery=deliveries, data=st.data())
    def commit(self, delivery: Delivery, data: st.DataObject) -> None:
        operations = [self._operation(data) for _ in range(data.draw(st.integers(0, 2)))]
        made, expectations = [each[0] for each in operations], [each[1] for each in operations]
        self._commit(delivery, made, expectations)

    def _commit(
        self, delivery: Delivery, made: Sequence[Any] = (), expectations: Sequence[Any] = ()
    ) -> None:
        channel = str(delivery.reply_channel)
        saved = Session(channel, str(delivery.order).encode())
        committed = self.layer.commit(Finished(delivery, made, saved))
        if committed is not Committed.DONE:
            assert committed is Committed.STALE  # it has committed before
            return
        client = self.known[channel]
        for expect in expectations:
            expect()
        client.session = saved.payload
        client.finish(delivery.channel, self.layer.content(delivery)["n"])
        if client.is_over:
            client.session = None
            assert self.layer.load_session(channel) is None

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        operation, expect = self._operation(data)
        self.layer.apply([operation])
        expect()

    def _operation(self, data: st.DataObject) -> tuple[Any, Callable[[], object]]:
        kind = data.draw(st.sampled_from("gsjjl"))
        group = data.draw(st.sampled_from(GROUPS))
        number = next(self.numbers)
        if kind == "g" or not self.known:
            made = self.layer.make_group_send(group, {"n": number})
            return made, lambda: [
                client.expect(number) for client in self.known.values() if group in client.groups
            ]
        client = data.draw(st.sampled_from(list(self.known.values())))
        if kind == "s":
            return self.layer.make_send(client.channel, {"n": number}), lambda: client.expect(
                number
            )
        if kind == "j":
            return self.layer.make_join(group, client.channel), lambda: client.groups.add(group)
        made_leave = self.layer.make_leave(group, client.channel)
        return made_leave, lambda: client.groups.discard(group)

    # The end

    def teardown(self) -> None:
        if hasattr(self, "bus"):
            self._settle()
            self._end_all()
            for client in self.known.values():
                assert client.finished.count(DISCONNECT) == client.is_taken
                assert client.is_over == client.is_taken
                for node in self.nodes:
                    self.bus.depart(node.server, client.channel)
            for node in self.nodes:
                self._drain(node)
                self.bus.heartbeat(node.server)
            assert self.bus.left() == []

    def _settle(self) -> None:
        """Each client that has a socket gets everything, and each frame of it takes effect."""
        for client in self.known.values():
            self.admit(client, has_patience=False)
        self._calm()
        for client in list(self.known.values()):
            if client.is_open and not client.is_closed:
                client.read(1_000_000)
                assert client.got == client.expected
                assert client.effects == client.sent
                self._close(client)

    def _end_all(self) -> None:
        self.clean_up()
        for client in list(self.known.values()):
            socket = client.socket
            if socket.has_it and socket.node.is_alive and not client.is_closed:
                self._park(client)
        self.let_time_pass()
        self._calm()

    def _calm(self) -> None:
        """Let workers finish everything."""
        for _ in range(10_000):
            busy = sum(self._drain(node) for node in self.nodes)
            consumer = f"{self.worker}.0"
            for delivery in self.layer.pending_deliveries(CHANNELS, [consumer]):
                self._commit(delivery)
                busy += 1
            busy += len(self.pull_all())
            if not busy:
                return
        raise AssertionError("it never becomes calm")

    def pull_all(self, joins: Mapping[str, Sequence[Any]] | None = None) -> list[Delivery]:
        """Pull a message of each channel, and run it; a connect with its *joins*."""
        found = self.layer.pull(CHANNELS, f"{self.worker}.0", 0)
        for delivery in found:
            self._began(delivery)
            is_connect = delivery.channel == CONNECT
            self._commit(
                delivery, (joins or {}).get(str(delivery.reply_channel), ()) if is_connect else ()
            )
        return found
