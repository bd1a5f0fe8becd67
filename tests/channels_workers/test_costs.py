"""The costs of a message: requests to Redis, round trips, tasks and bytes. No times."""

import asyncio
import gc
import re
import threading
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from channels_workers.interface.application import Interface
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.blocking_pipeline import BlockingPipeline
from channels_workers.layers.redis.requests import encode_operations
from channels_workers.layers.redis.scripts import script
from channels_workers.layers.types import Committed
from channels_workers.routing import Router, route
from channels_workers.worker.group import WorkerGroup
from labs.harness.redis_server import RedisServer
from tests.channels_workers.interface.test_application import TIMEOUT, Client, Consumers
from tests.channels_workers.layers.contract import Process

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db

MESSAGES = 20

#: The name of each command in written requests.
COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n")


class Site:
    """Interface servers, one single-threaded worker, and their Redis."""

    def __init__(self, servers: int, redis_server: RedisServer) -> None:
        self.redis = redis_server
        self.consumers = Consumers()
        self.layers = [RedisChannelLayer(hosts=[redis_server.url]) for _ in range(servers + 1)]
        self.servers = [self._serve(layer) for layer in self.layers[1:]]
        names = ("connect", "receive", "disconnect")
        consumers = [route(f"websocket.{name}", getattr(self.consumers, name)) for name in names]
        self.worker = WorkerGroup(self.layers[0], router=Router(consumers))

    def _serve(self, layer: RedisChannelLayer) -> Interface:
        async def http(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("no page is asked for")

        return Interface(http, lambda: layer)

    async def enter(self, number: int) -> list[Client]:
        """Open sockets in one room, in turn on each server."""
        turns = [self.servers[at % len(self.servers)] for at in range(number)]
        return [await Client(server).accepted() for server in turns]

    async def talk(self, clients: list[Client]) -> None:
        """Send messages one after the other, each after all clients received the previous one."""
        for number in range(MESSAGES):
            clients[0].send(f"{number}")
            for client in clients:
                await client.until(lambda seen=client, at=number: len(seen.texts) > at)

    async def stop(self) -> None:
        self.worker.stop()
        assert await asyncio.to_thread(self.worker.join, TIMEOUT)
        for layer in self.layers:
            await layer.retire_server()
            layer.disconnect()


@pytest.fixture
async def sites(redis_server: RedisServer) -> AsyncIterator[Any]:
    """`sites(2)` starts two interface servers, a worker and their Redis."""
    made: list[Site] = []

    def make(servers: int) -> Site:
        made.append(Site(servers, redis_server))
        made[-1].worker.start()
        return made[-1]

    yield make
    for site in made:
        await site.stop()


@contextmanager
def requests(redis_server: RedisServer, inside: bool = False) -> Iterator[Counter[str]]:
    """Count requests to Redis in the block, by script or command, or commands *inside* scripts."""
    names = {script(name).sha: name for name in ("publish", "change_groups", "commit")}
    found: Counter[str] = Counter()

    def listen() -> None:
        with redis_server.client() as client, client.monitor() as monitor:
            ready.set()
            for seen in monitor.listen():
                if (seen["client_type"] == "lua") is inside or "the end" in seen["command"]:
                    words = seen["command"].split()
                    if words[0] == "ECHO":
                        return
                    found[names.get(words[1], words[0]) if len(words) > 1 else words[0]] += 1

    ready = threading.Event()
    listener = threading.Thread(target=listen)
    listener.start()
    assert ready.wait(TIMEOUT)
    yield found
    with redis_server.client() as client:
        client.echo("the end")
    listener.join(TIMEOUT)


@pytest.mark.parametrize(("servers", "members"), [(1, 2), (1, 60), (3, 6)])
async def test_requests_per_message_to_a_room(
    servers: int, members: int, sites: Any, redis_server: RedisServer
) -> None:
    site = sites(servers)
    clients = await site.enter(members)
    with requests(redis_server) as found:
        await site.talk(clients)
    # One to publish it, one to commit, one to pull the next, one per server to read its inbox. A
    # blocking read that timed out counts as well.
    spare = 3
    assert found["publish"] == MESSAGES
    assert found["commit"] == MESSAGES
    assert found["XREADGROUP"] <= MESSAGES + spare
    assert found["XREAD"] <= servers * (MESSAGES + spare)


async def test_messages_do_not_query_redis_info(sites: Any, redis_server: RedisServer) -> None:
    """Scripts call INFO for the run id only if their caller does not know it."""
    site = sites(1)
    clients = await site.enter(2)

    def asked() -> int:
        with redis_server.client() as client:
            return int(client.info("commandstats").get("cmdstat_info", {}).get("calls", 0))

    before = asked()
    await site.talk(clients)
    # Heartbeats query it, each process once a second, and so does this test.
    assert asked() - before < MESSAGES


async def test_worker_round_trips_per_message(sites: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site = sites(1)
    clients = await site.enter(2)
    trips: list[list[bytes]] = []
    write = BlockingPipeline.write

    def count(line: BlockingPipeline, data: bytes) -> None:
        trips.append(COMMAND.findall(data))
        write(line, data)

    monkeypatch.setattr(BlockingPipeline, "write", count)
    await site.talk(clients)
    commits = [trip for trip in trips if trip == [b"EVALSHA", b"XREADGROUP"]]
    assert MESSAGES - 1 <= len(commits) <= MESSAGES
    assert len(trips) - len(commits) <= 3  # blocking reads that timed out


async def test_requests_per_connect_that_joins_a_room(
    sites: Any, redis_server: RedisServer
) -> None:
    site = sites(1)
    await site.enter(1)
    with requests(redis_server) as found:
        await site.enter(MESSAGES)
    # The join is one request more than a message costs, and the server reads it by itself.
    spare = 3
    assert found["publish"] == found["change_groups"] == found["commit"] == MESSAGES
    assert found["XREADGROUP"] <= MESSAGES + spare
    assert found["XREAD"] <= 2 * MESSAGES + spare


async def test_commands_of_a_join(redis_server: RedisServer) -> None:
    """A consumer waits for its join, so the script looks up nothing more than it must."""
    layer = RedisChannelLayer(hosts=[redis_server.url])
    process = Process(layer)
    recorder = await process.connect()
    delivery = await process.pull()
    join = layer.make_join("room", recorder.channel)
    await process.change_groups(delivery, join)  # loads the script
    with requests(redis_server, inside=True) as found:
        assert await process.change_groups(delivery, join) is Committed.DONE
    names = ("XPENDING", "XADD", "HSET", "SADD", "HKEYS", "HGETALL")
    assert [found[name] for name in names] == [1, 1, 1, 1, 0, 0]
    await layer.retire_server()
    layer.disconnect()


async def test_a_history_costs_no_request_and_others_nothing(redis_server: RedisServer) -> None:
    plain = RedisChannelLayer(hosts=[redis_server.url])
    keeping = RedisChannelLayer(hosts=[redis_server.url], history={"room": {}})
    inside: list[Counter[str]] = []
    for layer, group in ((plain, "hall"), (keeping, "hall"), (keeping, "room")):
        send = layer.make_group_send(group, {"n": 1})
        layer.apply([send])  # loads the script
        with requests(redis_server) as outside:
            layer.apply([send])
        assert outside["EVALSHA"] == 1
        with requests(redis_server, inside=True) as found:
            layer.apply([send])
        inside.append(found)
    send = plain.make_group_send("hall", {"n": 1})
    bare = encode_operations([send], plain.get_capacity)
    assert encode_operations([send], keeping.get_capacity, keeping.histories) == bare
    assert inside[0] == inside[1]
    assert (inside[2] - inside[1]).total() == 13
    with redis_server.client() as client:
        assert [key for key in client.keys("*") if b"hall" in key] == []
        assert client.hkeys("channels:2:histories") == [b"room", b":bytes", b":expires"]
    for layer in (plain, keeping):
        layer.disconnect()


async def test_an_idle_socket_has_no_task_and_little_memory(sites: Any) -> None:
    site, number = sites(1), 200
    await site.enter(10)
    gc.collect()
    tasks = len(asyncio.all_tasks())
    tracemalloc.start()
    clients = await site.enter(number)
    await site.talk(clients[:1])
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] / number
    tracemalloc.stop()
    assert len(asyncio.all_tasks()) - tasks == number  # the tasks in which servers call us
    assert size < 14_000, size  # includes the test's own client
