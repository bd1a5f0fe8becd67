"""Two interface servers whose homes are different shards, in three Redis, with real workers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from channels_workers.interface.application import Interface
from channels_workers.interface.health import OK, LayerChecks
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.sharded import ShardedRedisLayer
from channels_workers.layers.shards.names import shard_of
from labs.harness.redis_server import RedisServer
from tests.channels_workers.interface.resume import clients
from tests.channels_workers.interface.resume.clients import V1, Client, Consumers
from tests.channels_workers.interface.resume.conftest import interface
from tests.channels_workers.layers.shard_fixtures import redis_servers, servers

__all__ = ["redis_servers", "servers"]

#: Makes a layer whose home is this shard, until the home is asked.
MakeLayer = Callable[[str], ShardedRedisLayer]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until a shard that was away has all its processes again."""
    monkeypatch.setattr(clients, "TIMEOUT", 60)


@pytest.fixture
async def make_layer(servers: dict[str, RedisServer], limits: None) -> AsyncIterator[MakeLayer]:
    urls = {name: server.url for name, server in servers.items()}
    made: list[ShardedRedisLayer] = []

    def make(home: str) -> ShardedRedisLayer:
        layer: Any = RedisChannelLayer(hosts=urls)
        go(layer, home)
        made.append(layer)
        return made[-1]

    yield make
    for layer in made:
        await layer.retire_server()
        layer.disconnect()


@pytest.fixture
def layer(make_layer: MakeLayer) -> ShardedRedisLayer:
    return make_layer("a")


@pytest.fixture
def other_layer(make_layer: MakeLayer) -> ShardedRedisLayer:
    return make_layer("b")


@pytest.fixture
def application(layer: ShardedRedisLayer, workers: object) -> Interface:
    return interface(layer)


@pytest.fixture
def other(other_layer: ShardedRedisLayer) -> Interface:
    return interface(other_layer)


async def answered(application: Interface, *offered: str) -> Client:
    return await Client(application, *offered).answered()


async def accepted(application: Interface) -> Client:
    client = Client(application)
    await client.until(lambda: client.events)
    return client


def go(layer: ShardedRedisLayer, home: str) -> None:
    """Let the layer have this home, as if it had chosen it."""
    layer._homes.first()
    layer._homes._home = home
    layer._move(home)


async def test_a_connection_moves_to_a_server_at_another_shard_and_back(
    application: Interface, other: Interface, other_layer: ShardedRedisLayer, consumers: Consumers
) -> None:
    client, texts = await answered(application, V1, "resume"), ["0", "1", "2", "3"]
    for number, text in enumerate(f"t{each}" for each in texts):
        client.send(text)
        await client.until(lambda client=client, text=text: f"echo {text}" in client.counted)
        await client.lost()
        client = await answered((other, application)[number % 2], V1, client.resume())
        assert client.answer["resumed"]
    at = [shard.shard for shard in other_layer.all if shard._server is not None]
    assert at == ["a", "b"]  # the connection has stayed at its shard
    await client.lost(1000)
    await consumers.until(lambda: consumers.values("disconnect"))
    assert consumers.values("disconnect") == [(1000, [f"t{each}" for each in texts])]


async def test_a_group_spans_the_shards(
    application: Interface, other: Interface, layer: ShardedRedisLayer
) -> None:
    clients = [await answered(each, V1, "resume") for each in (application, other)]
    group = layer.make_group_send("room", {"text": "hello"})
    await layer.aapply([group])
    for client in clients:
        await client.until(lambda client=client: client.counted == ["hello"])
        await client.lost(1000)


async def test_it_is_ready_while_any_shard_works(
    application: Interface, layer: ShardedRedisLayer, servers: dict[str, RedisServer]
) -> None:
    checks = LayerChecks(lambda: layer)

    old = await accepted(application)
    assert set((await checks.look()).values()) == {OK}
    servers["a"].stop()
    assert await asyncio.to_thread(layer._homes.look) in {"b", "c"}
    new = await accepted(application)
    new.send("x")
    await new.until(lambda: new.counted == ["echo x"])
    assert set((await checks.look()).values()) == {OK}
    servers["a"].start()
    old.send("y")  # it has stayed open, and its shard knows it again
    await old.until(lambda: old.counted == ["echo y"])
    for client in (old, new):
        await client.lost(1000)


async def test_an_eviction_at_one_shard_leaves_the_sockets_of_the_others(
    application: Interface, layer: ShardedRedisLayer
) -> None:
    lost = await accepted(application)
    await asyncio.to_thread(go, layer, "b")
    kept = await accepted(application)
    found = {shard_of(layer.layers[name].start_server().id): name for name in ("a", "b")}
    assert found == {"a": "a", "b": "b"}
    admin, server = layer.layers["a"].admin, layer.layers["a"].start_server().id
    assert await asyncio.to_thread(admin.mark_dead, server, admin.processes()[server])
    await asyncio.to_thread(admin.clean_up, server)
    await lost.until(lambda: lost.is_closed)
    assert await lost.closed() == 4012
    kept.send("x")
    await kept.until(lambda: kept.counted == ["echo x"])
    await asyncio.to_thread(go, layer, "a")
    again = await accepted(application)  # a new server, at the shard that had evicted the old one
    again.send("y")
    await again.until(lambda: again.counted == ["echo y"])
    for client in (kept, again):
        await client.lost(1000)


@pytest.mark.usefixtures("workers")
async def test_connections_of_one_redis_go_on_with_several(
    other: Interface, servers: dict[str, RedisServer], consumers: Consumers
) -> None:
    alone = RedisChannelLayer(hosts=[servers["a"].url])  # an interface server of before
    before = interface(alone)
    stays, moves = [await answered(before, V1, "resume") for _ in range(2)]
    await moves.lost()
    moved = await answered(other, V1, moves.resume())
    assert moved.answer["resumed"]
    for number, client in enumerate((stays, moved)):
        client.send(f"t{number}")
        await client.until(lambda client=client, n=number: f"echo t{n}" in client.counted)
    for client in (stays, moved):
        await client.lost(1000)
    await consumers.until(lambda: len(consumers.values("disconnect")) == 2)
    assert sorted(consumers.values("disconnect")) == [(1000, ["t0"]), (1000, ["t1"])]
    await alone.retire_server()
    alone.disconnect()
