"""The Redis layer meets the contract on a real server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

import pytest
from asgiref.sync import async_to_sync
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.exceptions import ChannelFull, LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.relays import Claim, Relayed, StoredOperation
from channels_workers.layers.types import Committed, Due, Finished, GroupSend, ProcessInfo, new_id
from labs.harness.redis_server import RedisServer
from tests.channels_workers.clients import outbox_of
from tests.channels_workers.layers.contract import (
    LayerContract,
    MakeLayer,
    Process,
    other,
    process,
)
from tests.channels_workers.layers.history_contract import (
    HistoryContract,
    Wait,
    kept,
    make_histories_older,
)
from tests.channels_workers.layers.relay_contract import RelayContract
from tests.channels_workers.layers.request_contract import RequestContract

__all__ = ["kept", "other", "process"]


@pytest.fixture
async def make_layer(redis_server: RedisServer) -> AsyncIterator[MakeLayer]:
    redis_server.client().script_flush()  # each test starts with a Redis that knows no script
    made: list[RedisChannelLayer] = []

    def make(**config: object) -> RedisChannelLayer:
        made.append(RedisChannelLayer(hosts=[redis_server.url], **config))
        return made[-1]

    yield make
    for layer in made:
        await layer.retire_server()
        layer.disconnect()


class TestRedisLayer(LayerContract):
    """The contract."""


class TestRequests(RequestContract):
    """The contract about requests."""


class TestRelays(RelayContract):
    """The contract about stored sends."""


class TestHistory(HistoryContract):
    """The contract about the history of groups."""

    @pytest.fixture
    def wait(self, redis_server: RedisServer) -> Wait:
        return partial(make_histories_older, redis_server)


async def test_the_age_of_the_oldest_message(make_layer: MakeLayer) -> None:
    layer = make_layer()
    await layer.send("work", {"n": 1})
    await layer.send("work", {"n": 2})
    async with asyncio.timeout(60):
        while not layer.channel_statistics("work")["messages_max_age"]:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert 0 < layer.channel_statistics("work")["messages_max_age"] < 10
    assert 0 < layer.global_statistics()["messages_max_age"] < 10


def test_a_step_sends_about_a_megabyte(make_layer: MakeLayer) -> None:
    layer = make_layer()
    layer.apply([layer.make_send_later("work", {"text": "x" * 400_000}, 0) for _ in range(4)])
    assert [layer.admin.send_due() for _ in range(2)] == [Due(3, 0.0), Due(1, None)]


def test_unreadable_delayed_messages_are_removed(
    make_layer: MakeLayer, redis_server: RedisServer
) -> None:
    layer = make_layer()
    assert isinstance(layer, RedisChannelLayer)
    times, messages = layer.client.key("delayed"), layer.client.key("delayed_messages")
    layer.apply([layer.make_send_later("work", {"n": 1}, 0)])
    with redis_server.client() as client:
        client.zadd(times, {"foreign": 1, "without a message": 2, b"\xff": 3})
        client.hset(messages, mapping={"foreign": "text", "without a time": "5:work:x"})
        client.hset(messages, b"\xff", b"5:work:\xff\n\0")
        shown = [(each.id, each.channel, each.payload) for each in layer.admin.delayed(3)]
        assert shown == [
            ("foreign", "", b"text"),
            ("without a message", "", b""),
            ("\\xff", "work", b"\xff\n\0"),
        ]
        assert layer.admin.send_due() == Due(2, None)
        assert client.exists(times, messages) == 0
    (note,) = layer.admin.set_aside()
    assert (note.where, note.value) == ("delayed message foreign", b"text")


@pytest.mark.parametrize("key", ["delayed", "delayed_messages"])
def test_keys_of_delayed_messages_of_a_foreign_type(
    key: str, make_layer: MakeLayer, redis_server: RedisServer
) -> None:
    layer = make_layer()
    assert isinstance(layer, RedisChannelLayer)
    with redis_server.client() as client:
        client.set(layer.client.key(key), "text")
        later = layer.make_send_later("work", {"n": 1}, 0)
        layer.apply([later])
        assert [each.id for each in layer.admin.delayed()] == [later.id]
        assert layer.admin.send_due() == Due(1, None)
        assert client.exists(layer.client.key(f"aside:{key}")) == 1


# Several commits in one write. A thread that has pulled has a connection of its own.


def finished_work(process: Process, count: int) -> list[Finished]:
    """Pull *count* messages; return them, the second with a send that is refused."""
    layer = process.layer
    layer.apply([layer.make_send("work", {"n": n}) for n in range(count)])
    pulled = layer.pull(["work"], process.consumer, 1, count)
    assert len(pulled) == count
    return [
        Finished(each, [layer.make_send("full", {})] if n == 1 else [])
        for n, each in enumerate(pulled)
    ]


@pytest.mark.parametrize("by", ["its own connection", "another thread"])
def test_commits_of_which_one_is_refused(by: str, make_layer: MakeLayer) -> None:
    process = Process(make_layer(channel_capacity={"full": 0}))
    with ThreadPoolExecutor(1) as puller, ThreadPoolExecutor(1) as another:
        finished = puller.submit(finished_work, process, 3).result()
        thread = puller if by == "its own connection" else another
        done = thread.submit(process.layer.commit_all, finished).result()
        assert isinstance(done[1], ChannelFull)
        assert [done[0], done[2]] == [Committed.DONE] * 2


def test_commits_load_a_script_that_redis_has_forgotten(
    make_layer: MakeLayer, redis_server: RedisServer
) -> None:
    process = Process(make_layer())
    with ThreadPoolExecutor(1) as thread:
        finished = thread.submit(finished_work, process, 1).result()
        redis_server.client().script_flush()
        assert thread.submit(process.layer.commit_all, finished).result() == [Committed.DONE]


def test_commits_raise_while_redis_is_away(
    make_layer: MakeLayer, redis_server: RedisServer
) -> None:
    process = Process(make_layer())
    with ThreadPoolExecutor(1) as thread:
        finished = thread.submit(finished_work, process, 1).result()
        redis_server.stop()
        with pytest.raises(LayerUnavailable):
            thread.submit(process.layer.commit_all, finished).result()
        redis_server.start()


def with_worker(layer: RedisChannelLayer) -> RedisChannelLayer:
    """The layer with a worker, in which a relay runs."""
    layer.register(new_id(), ProcessInfo.this("worker", 1, ["work"]))
    return layer


async def test_nothing_is_relayed_to_groups_that_redis_has_lost(make_layer: MakeLayer) -> None:
    layer = with_worker(make_layer())
    claimed = layer.relays.claim(claim := Claim("db", new_id(), 5))
    assert claimed is not None
    layer.client.redis.flushall()
    send = StoredOperation("a1", GroupSend("all", b""))
    for relay in (
        lambda: layer.relays.claim(claim),
        lambda: layer.relays.send_once("db", claimed.fence, [send]),
    ):
        with pytest.raises(LayerUnavailable, match="has lost its data"):
            relay()
    assert not layer.client.redis.keys("*")


async def test_a_claim_ends_with_the_worker_that_has_it(make_layer: MakeLayer) -> None:
    """Nobody waits until it is over."""
    layer, other = with_worker(make_layer()), with_worker(make_layer())
    claimed = layer.relays.claim(Claim("db", new_id(), 600))
    assert claimed is not None
    assert other.relays.claim(Claim("db", new_id(), 600)) is None
    name = layer._registrations.worker
    assert other.admin.mark_dead(name, other.admin.processes()[name])
    another = other.relays.claim(Claim("db", new_id(), 600))
    assert another is not None
    assert another.fence != claimed.fence
    assert layer.relays.send_once("db", claimed.fence, []) is None
    assert layer.relays.claim(Claim("db", new_id(), 600)) is None


async def test_a_claim_from_before_the_clock_was_set_back_does_not_count(
    make_layer: MakeLayer,
) -> None:
    layer = with_worker(make_layer())
    far = f"1:0123456789abcdef:{round((time.time() + 3600) * 1e6)}:5000000"
    layer.client.redis.hset(layer.client.key("relays"), "db", far)
    assert layer.relays.claim(Claim("db", new_id(), 5)) is not None


async def test_foreign_data_of_relays(make_layer: MakeLayer) -> None:
    layer = with_worker(make_layer())
    layer.client.redis.hset(layer.client.key("relays"), "db", "what")
    layer.client.redis.set(layer.client.key("relayed"), "what")
    claimed = layer.relays.claim(Claim("db", new_id(), 5))
    assert claimed is not None
    assert claimed.kept == []
    send = StoredOperation("a1", layer.make_send("work", {}))
    results = [layer.relays.send_once("db", claimed.fence, [send]) for _ in range(2)]
    assert results == [[Relayed.DONE], [Relayed.REPEATED]]


# Sends outside consumers


@pytest.fixture
def frozen_redis(redis_server: RedisServer) -> Iterator[Callable[[], None]]:
    yield redis_server.process.freeze
    redis_server.process.resume()


def test_a_send_outside_consumers_does_not_wait_for_a_frozen_redis(
    make_layer: MakeLayer, settings: Settings, frozen_redis: Callable[[], None]
) -> None:
    settings.CHANNEL_WORKERS = {"SEND_TIMEOUT": 0.2}
    layer = make_layer()
    Channel("work", channel_layer=layer).send({"n": 1})
    frozen_redis()
    sends: list[Callable[[], object]] = [
        lambda: Channel("work", channel_layer=layer).send({"n": 2}),
        lambda: Group("group", channel_layer=layer).send({"n": 2}),
        lambda: Group("group", channel_layer=layer).add("work"),
        lambda: async_to_sync(layer.group_send)("group", {"n": 2}),
        lambda: async_to_sync(Channel("work", channel_layer=layer).asend)({"n": 2}),
    ]
    began = time.monotonic()
    for send in sends:
        with pytest.raises(LayerUnavailable, match="does not answer"):
            send()
    assert time.monotonic() - began < 10, "the time-out of other calls"


async def test_a_send_beside_sockets_does_not_wait_for_a_frozen_redis(
    make_layer: MakeLayer, settings: Settings, frozen_redis: Callable[[], None]
) -> None:
    settings.CHANNEL_WORKERS = {"SEND_TIMEOUT": 0.2}
    layer = make_layer()
    layer.start_server()
    await layer.first_attempt()
    await layer.send("work", {"n": 1})
    frozen_redis()
    async with asyncio.timeout(60):
        for send in (layer.send, layer.group_send):
            with pytest.raises(LayerUnavailable, match="does not answer"):
                await send("work", {"n": 2})


def test_a_consumers_immediate_send_waits_longer(
    make_layer: MakeLayer,
    settings: Settings,
    redis_server: RedisServer,
    frozen_redis: Callable[[], None],
) -> None:
    settings.CHANNEL_WORKERS = {"SEND_TIMEOUT": 0.2}
    layer = make_layer()
    with outbox_of(layer), ThreadPoolExecutor(1) as thread:
        context = copy_context()
        channel = Channel("work", channel_layer=layer)
        channel.send({"n": 1}, immediately=True)
        frozen_redis()
        sending = thread.submit(context.run, partial(channel.send, {"n": 2}, immediately=True))
        with pytest.raises(TimeoutError):
            sending.result(timeout=1)
        assert not sending.done()
        redis_server.process.resume()
        sending.result(timeout=60)
    assert layer.length("work") == 2
