"""A flush deletes the layer's content without an outage: nobody registers again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Closed,
    Committed,
    ConnectionSnapshot,
    Delivery,
    PendingMessage,
    Published,
)
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import ALL, Process
from tests.channels_workers.layers.recorder import TIMEOUT, Recorder

MakeLayer = Callable[[], RedisChannelLayer]


class Mailbox(Recorder):
    """A channel that is not a connection."""

    def snapshot(self) -> None:
        return None


@pytest.fixture
async def make_layer(redis_server: RedisServer) -> AsyncIterator[MakeLayer]:
    made: list[RedisChannelLayer] = []

    def make() -> RedisChannelLayer:
        made.append(RedisChannelLayer(hosts=[redis_server.url]))
        return made[-1]

    yield make
    for layer in made:
        await layer.retire_server()
        layer.disconnect()


class Site:
    """Two servers and a worker, and Redis's count of recoveries."""

    def __init__(self, make_layer: MakeLayer, redis_server: RedisServer) -> None:
        self.servers = [Process(make_layer(), "server 1"), Process(make_layer(), "server 2")]
        self.worker = Process(make_layer())
        self.redis = redis_server.client()
        self.key = self.worker.layer.client.key  # type: ignore[attr-defined]

    def epoch(self) -> Any:
        return self.redis.get(self.key("epoch")), self.redis.exists(self.key("recovering"))

    def lost(self) -> int:
        """How often a script has replied LOST or RECOVERING."""
        errors: Any = self.redis.info("errorstats")
        kinds = ("errorstat_LOST", "errorstat_RECOVERING")
        return sum(errors[kind]["count"] for kind in kinds if kind in errors)

    async def beaten(self) -> None:
        """Wait for two heartbeats of each process, after which it would have noticed a loss."""
        before = await asyncio.to_thread(self.worker.layer.admin.processes)
        async with asyncio.timeout(TIMEOUT):
            while True:
                await asyncio.to_thread(self.worker.layer.heartbeat, "worker")
                now = await asyncio.to_thread(self.worker.layer.admin.processes)
                servers = [each.layer._server.id for each in self.servers]  # type: ignore[union-attr]
                if all(now.get(name, 0) >= before.get(name, 0) + 2 for name in servers):
                    return
                await asyncio.sleep(0.05)


@pytest.fixture
async def site(make_layer: MakeLayer, redis_server: RedisServer) -> AsyncIterator[Site]:
    made = Site(make_layer, redis_server)
    yield made
    made.redis.close()


async def talk(site: Site, server: Process) -> None:
    """Let a new connection of *server* publish, join, and receive a message to its group."""
    recorder = await server.connect()
    delivery = await site.worker.pull()
    assert delivery.reply_channel == recorder.channel
    join = site.worker.layer.make_join("group", recorder.channel)
    assert await site.worker.commit(delivery, join) is Committed.DONE
    await site.worker.layer.group_send("group", {"text": "hello"})
    await recorder.until(lambda: recorder.releases == [0] and len(recorder.messages) == 1)


async def test_messages_right_after_a_flush_arrive(site: Site) -> None:
    for server in site.servers:
        await talk(site, server)
    before = site.epoch(), site.lost()
    flusher, *others = (*site.servers, site.worker)
    for _ in range(3):
        await flusher.layer.flush()
        for server in site.servers:
            await talk(site, server)
        await others[-1].layer.flush()
        for server in site.servers:
            await talk(site, server)
    await site.beaten()
    assert (site.epoch(), site.lost()) == before


async def attach(server: Process) -> Mailbox:
    mailbox = Mailbox()
    mailbox.channel = await server.layer.attach(mailbox)
    return mailbox


async def test_only_the_flushing_process_forgets_its_groups(site: Site) -> None:
    own, other = site.servers
    members = [await attach(own), await attach(own), await attach(other)]
    for member, server in zip(members, (own, own, other), strict=True):
        await server.layer.group_add("group", member.channel)
    await own.layer.group_add("group", "work")
    await own.layer.flush()
    (server,) = await asyncio.to_thread(site.worker.layer.members, "group")
    assert members[2].channel.startswith(server)
    await own.layer.group_add("group", members[0].channel)
    await site.worker.layer.group_send("group", {"n": 1})
    await site.worker.layer.send(members[1].channel, {"n": 2})
    for member, number in zip(members, (1, 2, 1), strict=True):
        await member.until_got({"n": number})
    assert site.worker.layer.length("work") == 0


class Connection(Recorder):
    """A connection that knows its pending message."""

    order = 0
    pending: PendingMessage | None = None

    def snapshot(self) -> ConnectionSnapshot:
        pending = self.pending if self.order not in self.releases else None
        return ConnectionSnapshot(self.order, b"\x80", pending)


async def connect(server: Process) -> Connection:
    connection = Connection()
    connection.channel = await server.layer.attach(connection)
    connection.pending = PendingMessage(CONNECT, server.layer.encode({"path": "/"}))
    assert await server.publish(connection, 0) is Published.PUBLISHED
    return connection


async def pull(site: Site, number: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(TIMEOUT):
        while len(found) < number:
            found += await asyncio.to_thread(site.worker.layer.pull, ALL, site.worker.consumer, 1)
    assert len(found) == number
    return found


async def finish(site: Site, *connections: Connection) -> list[Delivery]:
    """Run all queued messages and check that there is one of each of these."""
    deliveries = await pull(site, len(connections))
    for delivery in deliveries:
        assert await site.worker.commit(delivery) is Committed.DONE
    assert {each.reply_channel for each in deliveries} == {each.channel for each in connections}
    for connection in connections:
        await connection.until(lambda seen=connection: seen.order in seen.releases)
    await site.worker.pull_nothing()
    return deliveries


@pytest.mark.parametrize("flusher", ["worker", "server"])
async def test_sockets_survive_and_their_queued_messages_are_published_again(
    site: Site, flusher: str
) -> None:
    idle = [await connect(server) for server in site.servers]
    await finish(site, *idle)
    busy = [await connect(server) for server in site.servers]
    ending = await connect(site.servers[0])
    await finish(site, *busy, ending)
    for connection, server in zip(busy, site.servers, strict=True):
        connection.order = 1
        connection.pending = PendingMessage(RECEIVE, server.layer.encode({"path": "/"}))
        await server.publish(connection, 1)
    held = await site.worker.pull()  # a worker runs one of them meanwhile
    assert await site.servers[0].layer.close(ending.channel, 1000) is Closed.PUBLISHED
    before = site.epoch(), site.lost()
    await (site.worker if flusher == "worker" else site.servers[0]).layer.flush()
    new = [await connect(server) for server in site.servers]
    assert await site.worker.commit(held) is Committed.STALE
    await finish_all(site, [*busy, *new, ending])
    for connection, server in zip(idle, site.servers, strict=True):
        connection.order = 1
        assert await server.publish(connection, 1) is Published.PUBLISHED
    await finish(site, *idle)
    assert not any(each.lost for each in (*idle, *busy, *new))
    assert (site.epoch(), site.lost()) == before


async def finish_all(site: Site, connections: list[Connection]) -> None:
    deliveries = await pull(site, len(connections))
    for delivery in deliveries:
        assert await site.worker.commit(delivery) is Committed.DONE
    found = {each.reply_channel: each.channel for each in deliveries}
    assert found.keys() == {each.channel for each in connections}
    assert found[connections[-1].channel] == DISCONNECT
    await site.worker.pull_nothing()


async def test_a_delivery_from_before_the_flush_commits_nothing(site: Site) -> None:
    await site.worker.layer.send("work", {"n": 1})
    delivery = await site.worker.pull("work")
    await site.servers[0].layer.flush()
    send = site.worker.send("work", n=2)
    assert await site.worker.commit(delivery, send) is Committed.STALE
    assert site.worker.layer.length("work") == 0
    await site.worker.layer.send("work", {"n": 3})
    assert site.worker.layer.content(await site.worker.pull("work")) == {"n": 3}


async def test_only_liveness_keys_remain(site: Site) -> None:
    for server in site.servers:
        await talk(site, server)
    await site.worker.layer.flush()
    left = {name.decode() for name in site.redis.scan_iter(match=site.key("*"))}
    allowed = {"epoch", "run", "recovered", "processes", "process_info", "lifelines"}
    allowed.add("aside_logged")
    rest = {name.removeprefix(site.key("")) for name in left} - allowed
    assert {name.partition(":")[0] for name in rest} <= {"inbox", "connections", "groups", "group"}
