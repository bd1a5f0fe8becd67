"""Random interleavings keep the promises about kept connections, on both layers."""

from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test
from pytest_django import Settings

from channels_workers.layers.kept import Adoption, Claim, Kept, Parked
from channels_workers.layers.memory import kept as memory_kept
from channels_workers.layers.redis import kept_requests, wire
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.server import Server
from channels_workers.layers.types import Closed, Published
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.kept_machine import KeptBus, KeptMachine
from tests.channels_workers.layers.test_interleavings import SETTINGS, MemoryBus, RedisBus


class KeptMemoryBus(MemoryBus):
    """The memory layer."""

    def publish_for(
        self, server: Server, channel: str, reply: str, order: int, payload: bytes
    ) -> Published:
        claim = server.kept.claim(reply)
        return self.memory.store.publish(channel, reply, order, payload, payload, claim)

    def close_for(self, server: Server, reply: str, code: int) -> Closed:
        return self.memory.store.close(reply, code, server.kept.claim(reply))

    def park(self, claim: Claim, reply: str, code: int) -> Parked:
        return memory_kept.park(self.memory.store, reply, code, claim)

    def adopt(self, claim: Claim, reply: str, has: int, known: Kept | None) -> Adoption | None:
        return memory_kept.adopt(self.memory.store, claim, reply, has, known)

    def drain(self, server: Server) -> int:
        entries = super().drain(server)
        for found in server.kept.take_hand_overs():
            self.memory.store.hand_over(*found)
        return entries

    def depart(self, server: Server, channel: str) -> None:
        self._leave(server, server.detach(channel))

    def make_due(self) -> None:
        for kept in self.memory.store.kept.values():
            kept.due = None if kept.due is None else 0.0

    def left(self) -> list[str]:
        return [*super().left(), *self.memory.store.kept]


class KeptRedisBus(RedisBus):
    """The Redis layer."""

    def publish_for(
        self, server: Server, channel: str, reply: str, order: int, payload: bytes
    ) -> Published:
        asked = kept_requests.asked(server.kept.claim(reply), reply)
        request = Request("publish", [channel, asked, order, payload, payload])
        return wire.PUBLISHED[self.redis.client.call(request)]

    def close_for(self, server: Server, reply: str, code: int) -> Closed:
        asked = kept_requests.asked(server.kept.claim(reply), reply)
        return Closed(self.redis.client.call(Request("close", [asked, code])).decode())

    def park(self, claim: Claim, reply: str, code: int) -> Parked:
        request = kept_requests.park(claim, reply, code)
        return Parked(self.redis.client.call(request)[0].decode())

    def adopt(self, claim: Claim, reply: str, has: int, known: Kept | None) -> Adoption | None:
        request = kept_requests.adopt(claim, reply, has, known)
        first = self.redis.client.call(request)
        assert self.redis.client.call(request) == first  # its reply may have been lost
        return kept_requests.read_adoption(first)

    def drain(self, server: Server) -> int:
        entries = super().drain(server)
        for found in server.kept.take_hand_overs():
            self.redis.client.call(kept_requests.hand_over(found))
        return entries

    def depart(self, server: Server, channel: str) -> None:
        self._leave(server, server.detach(channel))

    def make_due(self) -> None:
        for reply in self._redis.zrange(self._key("parked"), 0, -1):
            self._redis.zadd(self._key("parked"), {reply: 0})

    def left(self) -> list[str]:
        keys = [*self._redis.keys(self._key("kept:*")), *self._redis.keys(self._key("parked"))]
        return [*super().left(), *(key.decode() for key in keys)]


@pytest.fixture(autouse=True)
def connections_are_kept(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": 600}


def test_the_memory_layer_keeps_the_promises() -> None:
    class MemoryMachine(KeptMachine):
        make_bus = KeptMemoryBus

    limits = hypothesis.settings(SETTINGS, max_examples=150)
    run_state_machine_as_test(MemoryMachine, settings=limits)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    return redis_server.url


def test_the_redis_layer_keeps_the_promises(redis_url: str) -> None:
    buses: list[KeptRedisBus] = []

    def make_bus() -> KeptBus:
        if not buses:
            buses.append(KeptRedisBus(redis_url))
        buses[0].redis.client.redis.flushdb()
        return buses[0]

    class RedisMachine(KeptMachine):
        pass

    RedisMachine.make_bus = staticmethod(make_bus)  # type: ignore[assignment]
    limits = hypothesis.settings(SETTINGS, max_examples=45)
    run_state_machine_as_test(RedisMachine, settings=limits)
    buses[0].redis.disconnect()


@pytest.fixture(params=["memory", "redis"])
def machine(request: pytest.FixtureRequest) -> Iterator[KeptMachine]:
    """A machine to drive by hand."""
    bus: KeptBus = KeptMemoryBus()
    if request.param == "redis":
        bus = KeptRedisBus(request.getfixturevalue("redis_url"))

    class ByHand(KeptMachine):
        make_bus = staticmethod(lambda: bus)  # type: ignore[assignment]

    found = ByHand()
    found.start()
    yield found
    found.teardown()
    if isinstance(bus, KeptRedisBus):
        bus.redis.disconnect()


def test_it_comes_back_before_its_first_server_has_read_of_the_move(machine: KeptMachine) -> None:
    client = machine.connect(0, {"red"})
    machine.read_inbox(0)
    machine.send_frames(client, 3)
    machine.pull_all()
    machine.resume(client, 1)
    machine.admit(client, has_patience=False)
    machine.pull_all()
    machine.resume(client, 0)
    machine.read_inbox(0)  # the release for the former socket comes before the news of the move
    assert client.adopting is not None
    machine.admit(client, has_patience=False)
    assert client.socket.node is machine.nodes[0]


def test_a_disconnect_that_waits_is_withdrawn(machine: KeptMachine) -> None:
    client = machine.connect(0, {"red"})
    machine.read_inbox(0)
    machine.lose(client, parks=True)
    machine.let_time_pass()
    machine.resume(client, 1)
    machine.admit(client, has_patience=False)
    assert client.is_open
