"""Random interleavings keep the promises on both layers. `peers` has the model."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test
from pytest_django import Settings as DjangoSettings

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer, Store
from channels_workers.layers.memory.stores import Stores
from channels_workers.layers.redis import RedisChannelLayer, wire
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.shards.names import shard_of
from channels_workers.layers.types import (
    Closed,
    Published,
)
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.machine import Bus
from tests.channels_workers.layers.request_machine import RequestMachine

#: The kinds of keys that Redis must not keep once everything has ended.
CONNECTION_KEYS = ("connections", "session", "told", "ended", "group", "groups")

SETTINGS = hypothesis.settings(
    deadline=None,
    report_multiple_bugs=False,
    print_blob=True,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class MemoryBus:
    """The memory layer, whose store is synchronous."""

    loses_replies = False

    def __init__(self) -> None:
        self.memory = InMemoryChannelLayer()
        self.layer: WorkerLayer = self.memory

    def store_of(self, name: str) -> Store:
        """The store that has a server or a reply channel."""
        return self.memory.store

    def stores(self) -> Sequence[Store]:
        return [self.memory.store]

    def publish(self, channel: str, reply: str, order: int, payload: bytes) -> Published:
        return self.store_of(reply).publish(channel, reply, order, payload, payload)

    def close(self, reply: str, code: int) -> Closed:
        return self.store_of(reply).close(reply, code)

    def drain(self, server: Server) -> int:
        entries = self.store_of(server.id).read_inbox(server.id)
        for entry in entries:
            self._leave(server, server.process(entry))
        return len(entries)

    def depart(self, server: Server, channel: str) -> None:
        self._leave(server, server.leave_groups(channel))

    def _leave(self, server: Server, departures: list[Departure]) -> None:
        for departure in departures:
            self.store_of(server.id).leave(server.id, departure)

    def withdraw(self, reply: str) -> bool:
        return self.store_of(reply).withdraw(reply)

    def tell(self, server: Server, reply: str, payload: bytes) -> None:
        self.layer.tell(reply, payload)

    def heartbeat(self, server: Server) -> None:
        server.ended.clear()

    def left_of(self, reply: str) -> list[str]:
        kept = self._kept(self.store_of(reply))
        return [name for name, known in kept.items() if reply in known]

    def left(self) -> list[str]:
        return [name for store in self.stores() for name in self._left(store)]

    def _left(self, store: Store) -> list[str]:
        kept = {**self._kept(store), "groups": store.groups}
        kept["inboxes"] = store.inboxes.keys() - store.counters.keys()
        return [name for name, known in kept.items() if known]

    @staticmethod
    def _kept(store: Store) -> dict[str, Collection[str]]:
        return {"records": store.records, "sessions": store.sessions, "told": store.told}


class ShardedBus(MemoryBus):
    """The memory layer with two shards."""

    def __init__(self, **config: Any) -> None:
        self.data = Stores(2)
        self.layer = InMemoryChannelLayer(stores=self.data, **config)

    def store_of(self, name: str) -> Store:
        return self.data.by_name[shard_of(name) or "0"]

    def stores(self) -> Sequence[Store]:
        return list(self.data.by_name.values())


class RedisBus:
    """The Redis layer. Its scripts are called from a thread and its inboxes read one by one."""

    loses_replies = True

    def __init__(self, url: str) -> None:
        self.redis = RedisChannelLayer(hosts=[url], lifeline=False)
        self._redis: Any = self.redis.client.redis
        self._key = self.redis.client.key
        self.redis.client.redis.flushall()
        self.redis.client.redis.set_response_callback("XREAD", wire.as_it_is)
        self.layer: WorkerLayer = self.redis

    def publish(self, channel: str, reply: str, order: int, payload: bytes) -> Published:
        request = Request("publish", [channel, reply, order, payload, payload])
        return wire.PUBLISHED[self.redis.client.call(request)]

    def close(self, reply: str, code: int) -> Closed:
        return Closed(self.redis.client.call(Request("close", [reply, code])).decode())

    def drain(self, server: Server) -> int:
        key = f"{self.redis.client.prefix}inbox:{server.id}"
        reply = self.redis.client.redis.execute_command(
            "XREAD", "COUNT", 1000, "STREAMS", key, server.position or "0"
        )
        entries = list(wire.read_inbox(reply))
        for entry in entries:
            self._leave(server, server.process(entry))
        return len(entries)

    def depart(self, server: Server, channel: str) -> None:
        self._leave(server, server.leave_groups(channel))

    def _leave(self, server: Server, departures: list[Departure]) -> None:
        for group, entry in departures:
            self.redis.client.call(Request("leave", [server.id, group, entry]))

    def withdraw(self, reply: str) -> bool:
        return bool(self.redis.client.call(Request("withdraw", [reply, ""])))

    def tell(self, server: Server, reply: str, payload: bytes) -> None:
        self.redis.client.call(Request("tell", [reply, payload, server.position, self._epoch()]))

    def heartbeat(self, server: Server) -> None:
        known = [server.id, server.position, self._epoch(), 1, "0", *server.ended]
        assert self.redis.client.call(Request("heartbeat", known))[0] == b"alive"
        server.ended.clear()

    def left_of(self, reply: str) -> list[str]:
        names = [f"session:{reply}", f"told:{reply}"]
        kept = [name for name in names if self._redis.exists(self._key(name))]
        record = self._redis.hexists(self._key(f"connections:{reply.partition('!')[0]}"), reply)
        return [*kept, "record"] if record else kept

    def left(self) -> list[str]:
        registered = self.redis.admin.processes()
        names = [key.decode().removeprefix(self._key("")) for key in self._redis.keys("*")]
        kinds = [(name.partition(":")[0], name) for name in names]
        return [
            name
            for kind, name in kinds
            if kind in CONNECTION_KEYS
            or (kind == "inbox" and name.partition(":")[2] not in registered)
        ]

    def _epoch(self) -> bytes:
        epoch: bytes = self._redis.get(self._key("epoch"))
        return epoch


@pytest.fixture(autouse=True)
def nothing_is_dead_lettered(settings: DjangoSettings) -> None:
    settings.CHANNEL_WORKERS = {"DELIVERIES": 1_000_000}


def test_the_memory_layer_keeps_the_promises() -> None:
    class MemoryMachine(RequestMachine):
        make_bus = MemoryBus

    run_state_machine_as_test(
        MemoryMachine, settings=hypothesis.settings(SETTINGS, max_examples=150)
    )


def test_the_memory_layer_with_two_shards_keeps_the_promises() -> None:
    """What concerns another shard is there at once."""

    class ShardedMachine(RequestMachine):
        make_bus = ShardedBus
        shards = ("0", "1")
        kinds = "gjlsw"  # each shard has its own delayed messages, whose order it keeps

    run_state_machine_as_test(
        ShardedMachine, settings=hypothesis.settings(SETTINGS, max_examples=100)
    )


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    return redis_server.url


def test_the_redis_layer_keeps_the_promises(redis_url: str) -> None:
    buses: list[RedisBus] = []

    def make_bus() -> Bus:
        if not buses:
            buses.append(RedisBus(redis_url))
        buses[0].redis.client.redis.flushdb()
        return buses[0]

    class RedisMachine(RequestMachine):
        pass

    RedisMachine.make_bus = staticmethod(make_bus)  # type: ignore[assignment]
    limits = hypothesis.settings(SETTINGS, max_examples=45)
    run_state_machine_as_test(RedisMachine, settings=limits)
    buses[0].redis.disconnect()
