"""The home shard of a process, and what becomes of one that is away or draining."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.checks.configuration import check_servers, check_worker
from channels_workers.exceptions import LayerUnfit
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.sharded import ShardedRedisLayer
from channels_workers.layers.shards.home import Homes, Load, best
from channels_workers.layers.shards.names import shard_of
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.shards.types import ShardState
from channels_workers.layers.types import GroupSend, Join, ProcessInfo, Published
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.recorder import Recorder
from tests.channels_workers.layers.shard_fixtures import redis_servers, servers
from tests.channels_workers.layers.shard_site import NAMES

__all__ = ["redis_servers", "servers"]

OPEN, NEW, DRAINING = True, False, False


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ({}, None),
        ({"a": Load(5), "b": Load(4)}, "b"),
        ({"a": Load(5), "b": Load(4, DRAINING)}, "a"),
        ({"a": Load(5, DRAINING), "b": Load(4, DRAINING)}, "b"),
    ],
)
def test_the_best_home_is_open_and_has_the_fewest_connections(
    loads: dict[str, Load], expected: str | None
) -> None:
    assert best(loads) == expected


def test_ties_are_random() -> None:
    loads = {name: Load(3) for name in NAMES}
    assert {best(loads) for _ in range(200)} == set(NAMES)


class Site:
    """The loads that shards tell; None is none."""

    def __init__(self, **loads: Load | None) -> None:
        self.loads = loads
        self.moves: list[str] = []
        self.homes = Homes(tuple(loads), self.ask, self.moves.append)

    def ask(self, name: str) -> Load:
        found = self.loads[name]
        if found is None:
            raise OSError(name)
        return found


def test_a_home_changes_when_it_does_not_answer() -> None:
    site = Site(a=Load(0), b=Load(5), c=Load(3))
    assert site.homes.first() == "a"
    assert site.homes.look() == "a"
    site.loads["a"] = None
    assert site.homes.look() == "c"
    assert site.moves == ["c"]


def test_a_home_changes_when_it_drains_and_when_another_has_become_open() -> None:
    site = Site(a=Load(0), b=Load(5), c=None)
    assert site.homes.first() == "a"
    site.loads["a"] = Load(9, DRAINING)
    assert site.homes.look() == "b"
    site.loads["c"] = Load(0)
    assert site.homes.look() == "c"
    site.loads["b"] = Load(0)
    site.loads["c"] = Load(100)
    assert site.homes.look() == "c"  # loads alone move nobody
    assert site.moves == ["b", "c"]


def test_a_home_stays_while_no_shard_answers_or_all_drain() -> None:
    site = Site(a=Load(0), b=Load(5))
    assert site.homes.first() == "a"
    site.loads.update(a=None, b=None)
    assert site.homes.look() == "a"
    site.loads.update(a=Load(0, DRAINING), b=Load(5, DRAINING))
    assert site.homes.look() == "a"
    assert site.moves == []


def test_without_answers_the_home_is_any() -> None:
    assert Site(a=None, b=None).homes.first() in {"a", "b"}


# On real Redis


@pytest.fixture
async def layer(servers: dict[str, RedisServer]) -> AsyncIterator[ShardedRedisLayer]:
    made = make(servers)
    yield made
    for server in servers.values():
        server.start()
    await made.retire_server()
    made.disconnect()


def make(servers: dict[str, RedisServer]) -> ShardedRedisLayer:
    made: Any = RedisChannelLayer(hosts={name: server.url for name, server in servers.items()})
    assert isinstance(made, ShardedRedisLayer)
    return made


def register(server: RedisServer, process: str, connections: int) -> None:
    """Note a process with this many connections."""
    with server.client() as client:
        client.hset("channels:2:processes", process, "1")
        for number in range(connections):
            client.hset(f"channels:2:connections:{process}", str(number), "x")


def test_the_home_has_the_fewest_connections(servers: dict[str, RedisServer]) -> None:
    for name, connections in zip(NAMES, (3, 1, 2), strict=True):
        register(servers[name], f"{name}-0123456789abcdef", connections)
        register(servers[name], "0123456789abcdef", 1)
    layer = make(servers)
    assert [layer._load(name) for name in NAMES] == [
        Load(4, OPEN, 2),
        Load(2, NEW, 2),
        Load(3, NEW, 2),
    ]
    assert layer.choose_home() == "a"
    for name in "bc":
        layer.shards.note_state(name, name, ShardState.OPEN)
    assert layer.choose_home() == "b"
    layer.shards.note_state("b", "b", ShardState.DRAINING)
    assert layer.choose_home() == "c"
    layer.disconnect()


def test_a_frozen_shard_does_not_hold_the_choice(servers: dict[str, RedisServer]) -> None:
    layer = make(servers)
    with servers["a"].process.frozen():
        assert {layer.choose_home() for _ in range(3)} <= {"b", "c"}
    layer.disconnect()


async def connected(layer: ShardedRedisLayer) -> Recorder:
    found = Recorder()
    found.channel = await layer.attach(found)
    assert await layer.publish("websocket.connect", found.channel, 0, b"c", b"d") in Published
    return found


async def test_new_sockets_leave_a_shard_that_is_away_and_old_ones_stay(
    layer: ShardedRedisLayer, servers: dict[str, RedisServer]
) -> None:
    old = await connected(layer)
    away = shard_of(old.channel)
    assert away is not None
    servers[away].stop()
    home = await asyncio.to_thread(layer._homes.look)
    new = await connected(layer)
    assert shard_of(new.channel) == home != away
    assert await layer.workers() == {}
    servers[away].start()
    assert await layer.publish("websocket.receive", old.channel, 1, b"1", b"d") in Published
    assert layer.of(old.channel).shard == away


async def test_a_process_leaves_all_shards_where_it_has_a_server(
    layer: ShardedRedisLayer, servers: dict[str, RedisServer]
) -> None:
    for name in NAMES:
        layer._move(name)
        await connected(layer)
    known = [await asyncio.to_thread(each.admin.processes) for each in layer.layers.values()]
    assert [len(each) for each in known] == [1, 1, 1]
    await layer.retire_server()
    left = [await asyncio.to_thread(each.admin.processes) for each in layer.layers.values()]
    assert left == [{}] * 3


# Of the time when the site had one Redis


async def test_connections_of_one_redis_go_on_with_three(
    servers: dict[str, RedisServer],
) -> None:
    alone: Any = RedisChannelLayer(hosts=[servers["a"].url])
    socket = Recorder()
    socket.channel = await alone.attach(socket)
    assert await alone.publish("websocket.connect", socket.channel, 0, b"c", b"d") in Published
    layer = make(servers)
    layer.register("worker", ProcessInfo.this("worker", 1, ("websocket.receive",)))
    assert layer.of(socket.channel).shard == "a"
    assert await asyncio.to_thread(layer.connected, [socket.channel]) == {socket.channel}
    for home in NAMES:  # a worker of the new release, whatever its home
        layer._move(home)
        group, payload = f"group-{home}", layer.encode({"from": home})
        await asyncio.to_thread(layer.apply, [Join(group, socket.channel)])
        await pulled(layer)
        await asyncio.to_thread(layer.apply, [GroupSend(group, payload)])
        await pulled(layer)
    await socket.until_got(*({"from": home} for home in NAMES))
    await alone.retire_server()
    alone.disconnect()
    layer.disconnect()


async def pulled(layer: ShardedRedisLayer) -> None:
    """Pull for all shards until nothing is left."""

    def pull() -> None:
        for name in NAMES:
            puller = Puller(layer.shards, name)
            assert puller.step()
            puller.end()

    await asyncio.to_thread(pull)


# Checks


def test_two_names_of_one_redis_are_refused(servers: dict[str, RedisServer]) -> None:
    port = servers["a"].port
    urls = {"a": f"redis://127.0.0.1:{port}/0", "b": f"redis://localhost:{port}/0"}
    layer: Any = RedisChannelLayer(hosts=urls)
    with pytest.raises(LayerUnfit, match="shards a and b are the same Redis"):
        layer.check_server()
    other: Any = RedisChannelLayer(hosts={**urls, "b": f"redis://localhost:{port}/1"})
    other.check_server()
    for each in (layer, other):
        each.disconnect()


def test_each_shard_that_is_away_is_checked(
    servers: dict[str, RedisServer], settings: Settings
) -> None:
    hosts = {name: server.url for name, server in servers.items()}
    backend = "channels_workers.layers.redis.RedisChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}
    assert check_servers(None, databases=["default"]) == []
    for name in ("a", "c"):
        servers[name].stop()
    found = check_servers(None, databases=["default"])
    assert [message.id for message in found] == ["channels_workers.W002"] * 2
    assert servers["a"].url in found[0].msg
    assert servers["c"].url in found[1].msg
    assert check_worker("default") == []
