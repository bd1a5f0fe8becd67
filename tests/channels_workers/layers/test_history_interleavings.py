"""Random interleavings keep the promises of histories. `history_machine` has the model."""

from typing import Any

import hypothesis
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test

from channels_workers.layers.history import OLDEST, Joined, Position
from channels_workers.layers.mailboxes import Mailbox
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer, requests
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.server import Server
from channels_workers.layers.types import Resume, new_id
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.history_machine import ABOUT, HISTORY, HistoryBus, HistoryMachine
from tests.channels_workers.layers.test_interleavings import MemoryBus, RedisBus, ShardedBus

#: The keys of a history in Redis.
KEYS = ("histories", "history_order", "history:room")

SETTINGS = hypothesis.settings(
    deadline=None,
    report_multiple_bugs=False,
    print_blob=True,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class MemoryHistoryBus(MemoryBus):
    """The memory layer, which loses data only by a flush."""

    def __init__(self) -> None:
        self.memory = InMemoryChannelLayer(history=HISTORY)
        self.layer = self.memory

    def flush(self) -> None:
        self.memory.store.clear()

    def save(self) -> None:
        pass

    def lose(self, servers: list[Server], old: bool) -> bool:
        return False


class ShardedHistoryBus(ShardedBus):
    """The memory layer with two shards, each with a copy of each history."""

    def __init__(self) -> None:
        super().__init__(history=HISTORY)

    def flush(self) -> None:
        for store in self.stores():
            store.clear()

    def save(self) -> None:
        pass

    def lose(self, servers: list[Server], old: bool) -> bool:
        return False


class RedisHistoryBus(RedisBus):
    """The Redis layer, whose data are deleted, or replaced by those of a snapshot."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.redis = RedisChannelLayer(hosts=[url], history=HISTORY, lifeline=False)
        self.redis.client.redis.set_response_callback("XREAD", lambda reply, **more: reply)
        self.layer = self.redis
        self.saved: dict[bytes, bytes] = {}

    def flush(self) -> None:
        self.redis.client.flush("")

    def save(self) -> None:
        client: Any = self.redis.client.redis
        self.saved = {key: client.dump(key) for key in client.keys("*")}

    def lose(self, servers: list[Server], old: bool) -> bool:
        client: Any = self.redis.client.redis
        client.flushdb()
        if old:
            for key, value in self.saved.items():
                client.restore(key, 0, value)
            client.set(self._key("run"), "0" * 40)  # Redis was restarted
        epoch = b""
        for server in servers:
            known = [server.id, "", "of before", 10**9, new_id()]
            state, epoch = self.redis.client.call(Request("heartbeat", known))
            assert state == b"lost"
            for request in requests.restore(server, epoch.decode(), ABOUT, 100):
                assert self.redis.client.call(request) == b"done"
            server.restored()
        self.redis.client.call(Request("recovered", [epoch]))
        return True


def test_the_memory_layer_misses_nothing() -> None:
    class MemoryMachine(HistoryMachine):
        make_bus = MemoryHistoryBus

    limits = hypothesis.settings(SETTINGS, max_examples=150)
    run_state_machine_as_test(MemoryMachine, settings=limits)


def test_the_memory_layer_with_two_shards_misses_nothing() -> None:
    class ShardedMachine(HistoryMachine):
        make_bus = ShardedHistoryBus
        shards = ("0", "1")

    limits = hypothesis.settings(SETTINGS, max_examples=100)
    run_state_machine_as_test(ShardedMachine, settings=limits)


def test_the_redis_layer_misses_nothing(redis_server: RedisServer) -> None:
    buses: list[RedisHistoryBus] = []

    def make_bus() -> HistoryBus:
        if not buses:
            buses.append(RedisHistoryBus(redis_server.url))
        buses[0].redis.client.redis.flushdb()
        buses[0].saved = {}
        return buses[0]

    class RedisMachine(HistoryMachine):
        pass

    RedisMachine.make_bus = staticmethod(make_bus)  # type: ignore[assignment]
    limits = hypothesis.settings(SETTINGS, max_examples=45)
    run_state_machine_as_test(RedisMachine, settings=limits)
    buses[0].redis.disconnect()


def test_positions_of_before_are_gaps_after_old_data(redis_server: RedisServer) -> None:
    """Redis comes back with a snapshot, and gives the offsets that clients know once more."""
    bus = RedisHistoryBus(redis_server.url)
    layer, server = bus.layer, Server(bus.layer.codec)
    layer.register(server.id, ABOUT)
    channel = server.attach_mailbox(Mailbox(10))

    def join(since: Position | None = None) -> Joined:
        wanted = layer.make_resume("room", channel, since)
        assert isinstance(wanted, Resume)
        joined = layer.resume(wanted)
        assert joined is not None
        return joined

    layer.apply([layer.make_group_send("room", {"n": 1})])
    bus.save()
    layer.apply([layer.make_group_send("room", {"n": 2})])
    before = join().position
    bus.lose([server], old=True)
    layer.apply([layer.make_group_send("room", {"n": 3})])
    joined = join(before)
    assert joined.is_gap
    assert joined.position.epoch != before.epoch
    bus.redis.disconnect()


def test_a_server_of_an_older_release_gets_what_it_knows(redis_server: RedisServer) -> None:
    bus = RedisHistoryBus(redis_server.url)
    layer, server = bus.layer, Server(bus.layer.codec)
    layer.register(server.id, ABOUT._replace(features=()))
    channel = server.attach_mailbox(Mailbox(10))
    layer.apply([layer.make_group_send("room", {"n": 1})])
    wanted = layer.make_resume("room", channel, OLDEST)
    assert isinstance(wanted, Resume)
    joined = layer.resume(wanted)
    assert joined is not None
    assert joined.replayed == 1
    layer.apply([layer.make_group_send("room", {"n": 2})])
    reply: Any = bus.redis.client.redis.xrange(bus.redis.client.key(f"inbox:{server.id}"))
    names = [name.decode() for _, fields in reply for name in fields[::2]]
    assert names == ["jroom", f"s{channel}", "groom"]
    bus.redis.disconnect()


def test_all_keys_of_histories_expire(redis_server: RedisServer) -> None:
    bus = RedisHistoryBus(redis_server.url)
    client: Any = bus.redis.client.redis
    for _ in range(2):
        bus.layer.apply([bus.layer.make_group_send("room", {"n": 1})])
    left = {key: client.pttl(bus.redis.client.key(key)) for key in KEYS}
    assert 3_500_000 < left["history:room"] <= 3_600_000
    assert all(86_400_000 < left[key] <= 90_000_000 for key in KEYS[:2])
    bus.redis.disconnect()


def test_foreign_values_begin_a_history_anew(redis_server: RedisServer) -> None:
    bus = RedisHistoryBus(redis_server.url)
    client: Any = bus.redis.client.redis
    send = bus.layer.make_group_send("room", {"n": 1})
    bus.layer.apply([send])
    histories, order, stream = map(bus.redis.client.key, KEYS)
    client.hset(histories, mapping={"room": "foreign", ":bytes": "foreign", ":expires": "x"})
    bus.layer.apply([send])
    for key in (histories, order, stream):
        client.delete(key)
        client.set(key, "foreign")
        bus.layer.apply([send])
    client.hset(histories, "room", "foreign")
    bus.layer.apply([send])
    assert client.xlen(stream) == 1
    assert bus.layer.admin.status().histories == 1
    bus.redis.disconnect()
