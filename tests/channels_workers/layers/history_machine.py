"""Random interleavings of sends, joins with positions, deaths and losses of data.

The model states the promises of a history:

1. who joins since a position gets every later message once, in order, before what is live; or is
   told that there is a gap, and gets what is live;
2. a gap is told if, and only if, a message is not kept any more, or the epoch is another one;
3. a position means the same to everybody, for good: no epoch gives it to another message;
4. a loss of messages that members were to get shows in the epoch of their next message;
5. a second run of a join replays nothing twice.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.history import OLDEST, Joined, Position
from channels_workers.layers.relays import Claim, StoredOperation
from channels_workers.layers.server import Server
from channels_workers.layers.types import (
    POSITIONS,
    Committed,
    Delivery,
    Finished,
    Operation,
    ProcessInfo,
    Resume,
)

#: How many messages the group keeps.
KEPT = 3

HISTORY = {"room": {"messages": KEPT}}

ABOUT = ProcessInfo("server", "host", 1, 0.0, features=(POSITIONS,))


class HistoryBus(Protocol):
    """A layer with a synchronous interface side."""

    layer: WorkerLayer

    def drain(self, server: Server) -> int: ...

    def depart(self, server: Server, channel: str) -> None: ...

    def flush(self) -> None: ...

    def save(self) -> None:
        """Take a snapshot of the data."""

    def lose(self, servers: list[Server], old: bool) -> bool:
        """Lose the data, or go back to the snapshot; servers register again. Return whether."""


@dataclass
class Visit:
    """One socket of a person, from its first join on."""

    server: Server
    channel: str = ""
    since: Position | None = None
    is_member: bool = False
    received: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    lost: int = 0  # how many messages a loss of data took from the inbox


class Person:
    """A client that comes back with its last position."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.visit: Visit | None = None
        self.got: list[tuple[str, int, bool]] = []

    def deliver(self, content: dict[str, Any], to_group: bool = False) -> None:
        self.got.append((content.get("at", ""), content["n"], to_group))

    def take(self) -> Iterator[tuple[Position, int]]:
        """Note what was delivered. Servers log what a receiver raises, so that raises nothing."""
        for text, number, to_group in self.got:
            position = Position.parse(text)
            assert to_group
            assert self.visit is not None
            assert position is not None
            if self.visit.lost:
                assert self.position is None or position.epoch != self.position.epoch
                self.visit.lost = 0
            self.visit.received.append(number)
            self.position = position
            yield position, number
        self.got.clear()


class HistoryMachine(RuleBasedStateMachine):
    """The interleavings. A subclass creates the bus."""

    make_bus: Callable[[], HistoryBus]
    #: The shards of the servers, None for the only one.
    shards: ClassVar[Sequence[str | None]] = (None, None)
    names = itertools.count(1)

    @initialize()
    def start(self) -> None:
        self.bus = type(self).make_bus()
        self.layer = self.bus.layer
        self.people = [Person() for _ in range(3)]
        self.sent: list[int] = []
        #: How many messages were sent up to each position.
        self.counts: dict[Position, int] = {}
        self.held: list[tuple[Delivery, Person]] = []
        self.servers = [self._new_server(number) for number in range(2)]
        self.worker = self._new_worker()

    def _new_server(self, number: int) -> Server:
        server = Server(self.layer.codec, self.shards[number])
        self.layer.register(server.id, ABOUT)
        return server

    def _new_worker(self) -> str:
        name = f"worker{next(self.names)}"
        self.layer.register(name, ProcessInfo("worker", "host", 1, 0.0, 1, ("work",)))
        return name

    # Sends

    def _made(self) -> Operation:
        self.sent.append(len(self.sent) + 1)
        for person in self.people:
            if person.visit is not None and person.visit.is_member:
                person.visit.expected.append(self.sent[-1])
        return self.layer.make_group_send("room", {"n": self.sent[-1], "position_key": "at"})

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        self.layer.apply([self._made() for _ in range(count)])

    @rule()
    def relay(self) -> None:
        claimed = self.layer.relays.claim(Claim("db", "holder", 1000.0))
        assert claimed is not None
        operation, key = self._made(), f"key{next(self.names)}"
        stored = StoredOperation(key, operation)  # type: ignore[arg-type]
        for _ in range(2):
            assert self.layer.relays.send_once("db", claimed.fence, [stored]) is not None

    # People

    @rule(number=st.integers(0, 2), server=st.integers(0, 1), wants_all=st.booleans())
    def come(self, number: int, server: int, wants_all: bool) -> None:
        """A client connects, or comes back, perhaps elsewhere. It joins outside a consumer."""
        person = self.people[number]
        if person.visit is None:
            self._arrive(person, server)
            if wants_all and person.position is None:
                self._join(person, None, OLDEST)
            else:
                self._join(person)

    @rule(number=st.integers(0, 2), server=st.integers(0, 1))
    def come_by_a_consumer(self, number: int, server: int) -> None:
        """Its connect consumer joins and has not ended yet."""
        person = self.people[number]
        if person.visit is None:
            self._arrive(person, server)
            self.layer.apply([self.layer.make_send("work", {"n": number})])
            self._pull()

    @rule(
        number=st.integers(0, 2),
        server=st.integers(0, 1),
        count=st.integers(0, KEPT + 1),
        way=st.sampled_from(["once", "twice", "by a consumer", "by a consumer that dies"]),
    )
    def come_back(self, number: int, server: int, count: int, way: str) -> None:
        """A client misses some messages."""
        self.come(number, server, wants_all=True)
        self.send(1)
        self.read_all()
        self.leave(number)
        if count:
            self.send(count)
        if way in ("once", "twice"):
            self.come(number, server, wants_all=True)
        else:
            self.come_by_a_consumer(number, server)
        if way == "twice":
            self.join_again(number)
        elif way == "by a consumer that dies" and self.held:
            self.finish(kills=True)

    def _arrive(self, person: Person, server: int) -> None:
        person.visit = Visit(self.servers[server], since=person.position)
        person.visit.channel = person.visit.server.attach_mailbox(person)  # type: ignore[arg-type]

    def _pull(self) -> None:
        for delivery in self.layer.pull(["work"], f"{self.worker}.0", 0, 10):
            person = self.people[self.layer.content(delivery)["n"]]
            self.held.append((delivery, person))
            if person.visit is not None:
                self._join(person, delivery)

    @rule(number=st.integers(0, 2))
    def join_again(self, number: int) -> None:
        """The reply to a join was lost."""
        person = self.people[number]
        if person.visit is not None and person.visit.is_member:
            self._join(person)

    def _join(
        self, person: Person, delivery: Delivery | None = None, since: Position | None = None
    ) -> None:
        visit = person.visit
        assert visit is not None
        since = since or visit.since
        wanted = self.layer.make_resume("room", visit.channel, since)
        assert isinstance(wanted, Resume)
        joined = self.layer.resume(wanted, delivery)
        assert joined is not None
        self._check_joined(joined, since)
        missed = len(self.sent) - self._start_of(since, joined)
        assert joined.replayed == missed
        if not visit.is_member:
            visit.is_member = True
            visit.expected += self.sent[len(self.sent) - missed :]
        if person.position is None:
            person.position = joined.position if since is None else None

    def _check_joined(self, joined: Joined, since: Position | None) -> None:
        self._check_position(joined.position, len(self.sent))
        if since is None or since == OLDEST:
            assert not joined.is_gap
            return
        is_other = since.epoch != joined.position.epoch
        is_too_old = len(self.sent) - self.counts[since] > KEPT
        assert joined.is_gap == (is_other or is_too_old)

    def _start_of(self, since: Position | None, joined: Joined) -> int:
        """How many messages were sent before the first one that the member gets."""
        if since is None or joined.is_gap:
            return len(self.sent)
        if since == OLDEST:
            in_epoch = joined.position.offset
            return len(self.sent) - min(KEPT, in_epoch)
        return self.counts[since]

    def _check_position(self, position: Position, count: int) -> None:
        assert self.counts.setdefault(position, count) == count

    @rule(number=st.integers(0, 2))
    def leave(self, number: int) -> None:
        person = self.people[number]
        if person.visit is not None:
            self.bus.depart(person.visit.server, person.visit.channel)
            person.visit.server.detach(person.visit.channel)
            self._end(person)

    def _end(self, person: Person) -> None:
        person.visit = None
        self.held = [(delivery, other) for delivery, other in self.held if other is not person]

    # Processes

    @rule(number=st.integers(0, 1))
    def read_inbox(self, number: int) -> None:
        self.bus.drain(self.servers[number])

    @rule(number=st.integers(0, 1))
    def kill_server(self, number: int) -> None:
        server = self.servers[number]
        self._mark_dead(server.id)
        for person in self.people:
            if person.visit is not None and person.visit.server is server:
                self._end(person)
        self.servers[number] = self._new_server(number)

    @precondition(lambda self: self.held)
    @rule(kills=st.booleans())
    def finish(self, kills: bool) -> None:
        """A worker commits a message of the room, or dies before it: the consumer runs again."""
        held, self.held = self.held, []
        if kills:
            dead = self.worker
            self._mark_dead(dead)
            self.worker = self._new_worker()
            self._pull()
        for delivery, _ in held:
            operations = [] if kills else [self._made()]
            committed = self.layer.commit(Finished(delivery, operations))
            assert committed is (Committed.STALE if kills else Committed.DONE)

    def _mark_dead(self, process: str) -> None:
        assert self.layer.admin.mark_dead(process, self.layer.admin.processes()[process])
        self.layer.admin.clean_up(process)

    # Losses of data

    @rule()
    def flush(self) -> None:
        self.bus.flush()
        self.held.clear()

    @rule()
    def save(self) -> None:
        self.bus.save()

    @rule(old=st.booleans())
    def lose(self, old: bool) -> None:
        if not self.bus.lose(self.servers, old):
            return
        self.held.clear()
        self.worker = self._new_worker()
        for person in self.people:
            if (visit := person.visit) is not None and visit.is_member:
                visit.lost += len(visit.expected) - len(visit.received)
                visit.expected = list(visit.received)
                visit.is_member = visit.channel in visit.server.groups.get("room", {})

    @rule(before=st.integers(1, 2), between=st.integers(1, 2), after=st.integers(1, 3))
    def come_back_with_old_data(self, before: int, between: int, after: int) -> None:
        """Clients know more than Redis does after its restart."""
        self.send(before)
        self.save()
        self.send(between)
        self.read_all()
        self.lose(old=True)
        self.send(after)
        self.read_all()

    # Checks

    @invariant()
    def nothing_twice_and_no_gap(self) -> None:
        for person in getattr(self, "people", ()):
            for position, number in person.take():
                self._check_position(position, number)
            if (visit := person.visit) is not None:
                assert visit.received == visit.expected[: len(visit.received)]

    @rule()
    def read_all(self) -> None:
        for server in self.servers:
            self.bus.drain(server)
        self.nothing_twice_and_no_gap()
        for person in self.people:
            if (visit := person.visit) is not None:
                assert visit.received == visit.expected

    def teardown(self) -> None:
        if hasattr(self, "bus"):
            self.read_all()
            for process in self.layer.admin.processes():  # old data bring dead ones back
                self._mark_dead(process)
            assert self.layer.members("room") == set()
            assert self.layer.admin.status().histories <= 1
