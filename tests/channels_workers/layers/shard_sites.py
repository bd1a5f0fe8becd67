"""The servers and sockets of `shard_machine`."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.memory.sharded import ShardedMemoryLayer
from channels_workers.layers.memory.shards import MemoryShards
from channels_workers.layers.memory.store import Store
from channels_workers.layers.memory.stores import Stores
from channels_workers.layers.server import Server
from channels_workers.layers.shards.names import home_of_member
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.shards.types import Log, Mark
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Delivery,
    ProcessInfo,
    Published,
)
from tests.channels_workers.layers.shard_peers import Entry, Gap, Node, Sent, Socket

CHANNELS = [CONNECT, RECEIVE, DISCONNECT]

#: An ordinary channel in a group.
WORK = "work"
GROUPS = ["red", "blue"]

#: How many servers and workers a shard has.
SERVERS, WORKERS = 2, 2

#: How many sockets there are at most.
SOCKETS = 8

#: One of the things that there are.
picks = st.integers(0, 11)


class Sites(RuleBasedStateMachine):
    """Servers and their sockets. A subclass may have a broken `make_shards`."""

    make_shards: Callable[[Stores], MemoryShards] = staticmethod(
        lambda stores: MemoryShards(stores, lambda channel: 1000)
    )

    @initialize(number=st.sampled_from([2, 2, 3]), keeps=st.sampled_from([0.0, 1000.0]))
    def start(self, number: int, keeps: float) -> None:
        self.now, self.tick = 0.0, 0
        self.numbers, self.names = itertools.count(1), itertools.count(1)
        self.stores = Stores(number, clock=lambda: self.now)
        self.layer = self.make_layer()
        self.shards = self.make_shards(self.stores)
        self.keeps = keeps
        self.pullers = {name: self._new_puller(name) for name in self.stores.names}
        self.stale: list[tuple[Puller, str, str, Mark | None, Log]] = []
        self.gaps: dict[str, list[Gap]] = {}
        self.nodes = [self._new_node(name) for name in self.stores.names * SERVERS]
        self.workers = {name: [self._new_worker(name) for _ in range(WORKERS)] for name in self.up}
        self.sockets: dict[str, Socket] = {}
        self.held: list[Delivery] = []
        self.sent: dict[int, Sent] = {}
        #: What entries do on a shard, once they are applied there.
        self.effects: dict[tuple[Entry, str], list[Callable[[], None]]] = {}
        self.lost: dict[str, list[int]] = {name: [] for name in self.stores.names}
        self.copies: dict[str, Any] = {}
        self.departures: list[tuple[Node, Any]] = []
        #: The shard of an ordinary channel, as a member of a group, and what it got.
        self.work_home = home_of_member(GROUPS[0], WORK, self.stores.names)
        self.work: list[int] = []
        self.errors: list[Exception] = []

    def make_layer(self) -> ShardedMemoryLayer:
        layer: Any = InMemoryChannelLayer(stores=self.stores, pulls=False)
        assert isinstance(layer, ShardedMemoryLayer)
        return layer

    # What there is

    @property
    def up(self) -> list[str]:
        return [name for name in self.stores.names if not self.stores.gates[name].is_closed]

    def store(self, name: str) -> Store:
        return self.stores.by_name[name]

    def _shard(self, pick: int) -> str:
        return self.stores.names[pick % len(self.stores.names)]

    def _node(self, pick: int) -> Node:
        return self.nodes[pick % len(self.nodes)]

    def _socket(self, pick: int) -> Socket:
        return list(self.sockets.values())[pick % len(self.sockets)]

    def _next_tick(self) -> int:
        self.tick += 1
        return self.tick

    def _new_puller(self, name: str) -> Puller:
        return Puller(self.shards, name, self.keeps, lambda: self.now)

    def _new_node(self, name: str) -> Node:
        gaps = self.gaps.setdefault(name, [])
        node = Node(Server(self.layer.codec, name), name, lambda: self.tick, gaps)
        self.layer.by_name[name].register(node.server.id, about("server"))
        data = self.stores.data(name)
        node.server.heard.read_all(data.marks)
        node.epoch = data.log.epoch
        node.unpulled = {source for source in data.others if self._has_gap(name, source)}
        return node

    def _has_gap(self, name: str, source: str) -> bool:
        """Say whether the next pull will find a gap."""
        mark, log = self.stores.data(name).marks.get(source), self.stores.data(source).log
        return mark is None or mark.epoch != log.epoch or mark.seq + 1 < log.first

    def _new_worker(self, name: str) -> str:
        worker = f"worker{next(self.names)}"
        self.layer.by_name[name].register(worker, about("worker"))
        return worker

    def is_lost(self, node: Node) -> bool:
        """Say whether its shard has lost its data since it has registered there."""
        return node.epoch != self.stores.data(node.shard).log.epoch

    def _heard(self, socket: Socket, number: int) -> None:
        """A socket hears a message."""
        raise NotImplementedError

    # Sockets

    @rule(pick=picks)
    def connect(self, pick: int) -> None:
        node = self._node(pick)
        if len(self.sockets) < SOCKETS:
            socket = Socket(node, self._heard)
            socket.channel = node.server.attach(socket)  # type: ignore[arg-type]
            self.sockets[socket.channel] = socket
            self._go_on(socket)

    @rule(pick=picks, frames=st.integers(1, 2))
    def send_frames(self, pick: int, frames: int) -> None:
        socket = self._socket(pick)
        socket.waiting += frames
        self._go_on(socket)

    @rule(pick=picks)
    def leave_page(self, pick: int) -> None:
        if (socket := self._socket(pick)).is_open:
            self._leave_page(socket)

    def _leave_page(self, socket: Socket) -> None:
        socket.code, server = 1001, socket.node.server
        socket.leave_all(self._next_tick())
        server.end(socket.channel, 1001)
        self.departures.append((socket.node, server.detach(socket.channel)))
        self._depart()
        self._go_on(socket)

    def _depart(self) -> None:
        left, self.departures = self.departures, []
        for node, departures in left:
            if node.shard not in self.up:
                self.departures.append((node, departures))
                continue
            for departure in departures:
                self.store(node.shard).leave(node.server.id, departure)

    def _go_on(self, socket: Socket) -> None:
        """Publish what is next, and the end. A shard that is away is asked again later."""
        if socket.is_evicted or socket.shard not in self.up:
            return
        if self.is_lost(socket.node):
            return  # it has not registered again
        store = self.store(socket.shard)
        if message := socket.next_message(b"\x80"):
            channel, order, payload = message
            published = store.publish(channel, socket.channel, order, payload, b"\x80")
            assert published is Published.PUBLISHED
            socket.note_published(channel, payload)
        if socket.code is not None and not socket.is_closed:
            store.close(socket.channel, socket.code)
            socket.is_closed = True

    @rule(pick=picks)
    def read_inbox(self, pick: int) -> None:
        self._read(self._node(pick))

    def _read(self, node: Node) -> int:
        store, server = self.store(node.shard), node.server
        if node.shard not in self.up or self.is_lost(node):
            return 0
        entries = store.read_inbox(server.id)
        for entry in entries:
            self._next_tick()
            self.departures.append((node, server.process(entry)))
        server.heard.read_all(self.stores.data(node.shard).marks)
        self._depart()
        for error in self.errors:
            raise error
        for socket in self._sockets_of(node):
            self._go_on(socket)
        return len(entries)

    def _sockets_of(self, node: Node) -> list[Socket]:
        return [socket for socket in self.sockets.values() if socket.node is node]

    @rule(pick=picks)
    def kill_server(self, pick: int) -> None:
        node = self._node(pick)
        admin = self.layer.by_name[node.shard].admin
        if node.shard not in self.up or node.server.id not in admin.processes():
            return
        assert admin.mark_dead(node.server.id, admin.processes()[node.server.id])
        admin.clean_up(node.server.id)
        for socket in self._sockets_of(node):
            socket.is_evicted = True
            socket.leave_all(self._next_tick())
        self._replace_node(node)

    def _replace_node(self, node: Node) -> None:
        self.nodes[self.nodes.index(node)] = self._new_node(node.shard)


def about(kind: str) -> ProcessInfo:
    return ProcessInfo(kind, "host", 1, 0.0, 1, tuple(CHANNELS) if kind == "worker" else ())
