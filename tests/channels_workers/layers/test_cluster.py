"""One shard on a real cluster of Valkey 9, whose slot moves and whose primary fails over."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels_workers.channel import Group
from channels_workers.exceptions import LayerUnavailable, LayerUnfit
from channels_workers.layers.redis.hosts import check_server, read_hosts
from channels_workers.layers.redis.layer import RedisChannelLayer
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.worker.group import WorkerGroup
from labs.harness.valkey_cluster import Node, ValkeyCluster
from labs.harness.waiting import wait_for

TAG = "{chat}:"

VALKEY_9 = {"redis_version": "7.2.4", "valkey_version": "9.0.1", "server_mode": "cluster"}
VALKEY_8 = {**VALKEY_9, "valkey_version": "8.1.4"}
REDIS = {"redis_version": "8.2.1", "redis_mode": "cluster"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    cluster = ValkeyCluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def layer(cluster: ValkeyCluster) -> RedisChannelLayer:
    return RedisChannelLayer(hosts=[{"cluster": cluster.urls}], prefix="chat")


class Traffic:
    """Sends numbers to a group with one member, one after the other, and notes what arrives."""

    def __init__(self, layer: RedisChannelLayer) -> None:
        self.layer = layer
        self._has_ended = False
        self.sent: list[int] = []
        self.failed: list[LayerUnavailable] = []
        self.received: list[int] = []

    async def __aenter__(self) -> "Traffic":
        self.name = await self.layer.new_channel()
        await self.layer.group_add("room", self.name)
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        return self

    async def __aexit__(self, *_: Any) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _send(self) -> None:
        number = 0
        while not self._has_ended:
            number += 1
            try:
                await self.layer.group_send("room", {"type": "number", "number": number})
            except LayerUnavailable as error:
                self.failed.append(error)
                await asyncio.sleep(0.01)
            else:
                self.sent.append(number)

    async def _receive(self) -> None:
        while True:
            self.received.append((await self.layer.receive(self.name))["number"])

    async def goes_on(self) -> None:
        """Return when messages that are sent from now on have arrived."""
        length = len(self.sent) + 50
        await asyncio.to_thread(
            wait_for, lambda: len(self.sent) >= length and len(self.received) >= length, "messages"
        )

    async def all_received(self) -> None:
        """Send no more, and return when all has arrived."""
        self._has_ended = True
        await self._tasks[0]
        last = self.sent[-1]
        await asyncio.to_thread(wait_for, lambda: last in self.received, "the last message")


def another(cluster: ValkeyCluster) -> Node:
    owner = cluster.owner(TAG)
    return next(node for node in cluster.nodes if node.role == "master" and node is not owner)


def test_all_keys_are_in_one_slot(cluster: ValkeyCluster, layer: RedisChannelLayer) -> None:
    layer.check_server()
    layer.client.claim_format()

    owner = cluster.owner(TAG)
    assert layer.client.prefix.startswith(TAG)
    assert [node for node in cluster.nodes if node.run("KEYS", "*") and node.role == "master"] == [
        owner
    ]


async def test_slot_that_moves_loses_doubles_and_fails_nothing(
    cluster: ValkeyCluster, layer: RedisChannelLayer
) -> None:
    async with Traffic(layer) as traffic:
        await traffic.goes_on()
        epoch = await asyncio.to_thread(layer.client.redis.get, layer.client.key("epoch"))
        for _ in range(3):
            await asyncio.to_thread(cluster.move, TAG, await asyncio.to_thread(another, cluster))
            await traffic.goes_on()
            layer.check_server()  # by the connection to the former owner
        await traffic.all_received()

    assert traffic.failed == []
    assert traffic.received == traffic.sent
    assert cluster.owner(TAG).run("GET", layer.client.key("epoch")) == epoch


@pytest.mark.django_db
async def test_workers_run_each_message_once_while_the_slot_moves(
    cluster: ValkeyCluster, layer: RedisChannelLayer
) -> None:
    """Pulls that wait at the former owner, and commits that come there, go to the new one."""

    def consume(message: Message) -> None:
        Group("heard", channel_layer=layer).send({"type": "number", "number": message["number"]})

    name = await layer.new_channel()
    await layer.group_add("heard", name)
    group = WorkerGroup(layer, router=Router([route("work", consume)]))
    group.start()
    await asyncio.to_thread(group.wait_until_known)
    sent, heard = 0, list[int]()
    for _ in range(4):
        for number in range(sent, sent + 50):
            await layer.send("work", {"type": "work", "number": number})
        sent += 50
        await asyncio.to_thread(cluster.move, TAG, await asyncio.to_thread(another, cluster))
    async with asyncio.timeout(60):
        while len(heard) < sent:
            heard.append((await layer.receive(name))["number"])
    group.stop()
    assert await asyncio.to_thread(group.join, 60)
    assert heard == list(range(sent))
    assert layer.length("work") == 0


async def test_shards_have_slots_of_their_own(cluster: ValkeyCluster) -> None:
    nodes = {"cluster": cluster.urls}
    layer: Any = RedisChannelLayer(hosts={"a": nodes, "b": nodes}, prefix="chat")
    layer.check_server()
    assert [each.client.prefix for each in layer.lanes()] == ["{chat}:2:", "{chat.b}:2:"]
    for shard in layer.lanes():
        shard.apply([shard.make_send("work", {"n": shard.shard})])
    assert [shard.length("work") for shard in layer.lanes()] == [1, 1]
    layer.disconnect()


async def test_failover_of_a_primary_begins_an_epoch(
    cluster: ValkeyCluster, layer: RedisChannelLayer
) -> None:
    primary, replica = cluster.nodes[0], cluster.nodes[3]
    if cluster.owner(TAG) is not primary:
        await asyncio.to_thread(cluster.move, TAG, primary)
    async with Traffic(layer) as traffic:
        await traffic.goes_on()
        epoch = primary.run("GET", layer.client.key("epoch"))
        replica.run("CLUSTER FAILOVER")
        await asyncio.to_thread(wait_for, lambda: cluster.owner(TAG) is replica, "the failover", 30)
        await traffic.goes_on()
        await traffic.all_received()

    assert replica.run("GET", layer.client.key("epoch")) != epoch
    assert sorted(set(traffic.received)) == traffic.received
    assert set(traffic.sent) <= set(traffic.received)


async def test_primary_that_is_killed_is_replaced(
    cluster: ValkeyCluster, layer: RedisChannelLayer
) -> None:
    (replica,) = [node for node in cluster.nodes if node.role == "slave"]
    port = replica.run("ROLE")[2]
    owner = next(node for node in cluster.nodes if node.port == port)
    if cluster.owner(TAG) is not owner:
        await asyncio.to_thread(cluster.move, TAG, owner)
    await asyncio.to_thread(
        wait_for,
        lambda: b"master_link_status:up" in replica.run("INFO", "replication"),
        "a replica",
    )
    async with Traffic(layer) as traffic:
        await traffic.goes_on()
        owner.process.kill()
        await asyncio.to_thread(wait_for, lambda: replica.role == "master", "the failover", 30)
        await traffic.goes_on()
        await traffic.all_received()

    assert sorted(set(traffic.received)) == traffic.received


def test_cluster_that_moves_keys_one_by_one_is_refused() -> None:
    host = {"cluster": [("node", 6379)]}

    check_server(VALKEY_9, "node", host)
    for info, name in ((VALKEY_8, "Valkey 8.1.4"), (REDIS, "Redis 8.2.1")):
        with pytest.raises(LayerUnfit, match=rf"is {name}, which moves the keys .*'slots_stay'"):
            check_server(info, "node", host)
        check_server(info, "node", {**host, "slots_stay": True})


def test_cluster_needs_the_option() -> None:
    with pytest.raises(LayerUnfit, match="is a cluster.*name the nodes"):
        check_server(VALKEY_9, "node", {"address": "redis://node:6379"})


@pytest.mark.parametrize(
    "nodes", ["redis://node:6379", [], [None], ["node:6379"], ["redis://:s3cret@node:6379/1"]]
)
def test_wrong_nodes_are_refused(nodes: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="'cluster'") as caught:
        read_hosts([{"cluster": nodes}])
    assert "s3cret" not in str(caught.value)
