"""Redis outages: afterwards every socket continues and every disconnect arrives.

A real Redis with real errors: NOREPLICAS and READONLY by configuration, full memory, cut
connections, and unreadable payloads and entries.
"""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from pytest_django import Settings

from channels_workers import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.interface.application import Interface
from channels_workers.layers import liveness
from channels_workers.layers.redis import RedisChannelLayer, streams
from channels_workers.layers.redis.streams import Pull
from channels_workers.layers.types import (
    CONNECT,
    RECEIVE,
    Committed,
    Delivery,
    Finished,
    ProcessInfo,
)
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.worker import heartbeat, in_flight, reaper, relief
from channels_workers.worker.group import WorkerGroup
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.interface.test_application import TIMEOUT, Client, Consumers

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db

Trouble = Callable[[redis.Redis], Any]


@pytest.fixture
async def layers(redis_server: RedisServer) -> AsyncIterator[list[RedisChannelLayer]]:
    """One layer for an interface server, one for workers."""
    made = [RedisChannelLayer(hosts=[redis_server.url]) for _ in range(2)]
    yield made
    for layer in made:
        await layer.retire_server()
        layer.disconnect()


@pytest.fixture
async def consumers() -> Consumers:
    return Consumers()


@pytest.fixture
async def workers(
    layers: list[RedisChannelLayer], consumers: Consumers
) -> AsyncIterator[WorkerGroup]:
    router = Router(
        [
            route("websocket.connect", consumers.connect),
            route("websocket.receive", consumers.receive),
            route("websocket.disconnect", consumers.disconnect),
        ]
    )
    group = WorkerGroup(layers[1], n_threads=2, router=router)
    group.start()
    yield group
    group.stop()
    assert await asyncio.to_thread(group.join, TIMEOUT)


@pytest.fixture
def application(layers: list[RedisChannelLayer]) -> Interface:
    async def http(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("no page is asked for")

    return Interface(http, lambda: layers[0])


@contextmanager
def without_replicas(client: redis.Redis) -> Iterator[None]:
    """Redis refuses writes that would reach too few replicas (NOREPLICAS)."""
    client.config_set("min-replicas-to-write", "1")
    yield
    client.config_set("min-replicas-to-write", "0")


@contextmanager
def read_only(client: redis.Redis) -> Iterator[None]:
    """A failover: temporarily the master is a replica of an unreachable server."""
    client.config_set("replica-serve-stale-data", "yes")
    client.replicaof("127.0.0.1", "1")
    yield
    client.replicaof("NO", "ONE")


@contextmanager
def full(client: redis.Redis) -> Iterator[None]:
    client.config_set("maxmemory", "1mb")
    yield
    client.config_set("maxmemory", "0")


@contextmanager
def cut(client: redis.Redis) -> Iterator[None]:
    """All connections are cut again and again."""
    ended = threading.Event()

    def cut_all() -> None:
        while not ended.wait(0.05):
            client.client_kill_filter(_type="normal", skipme=True)

    thread = threading.Thread(target=cut_all)
    thread.start()
    yield
    ended.set()
    thread.join()


def pull_one(layer: RedisChannelLayer, consumer: str) -> Delivery:
    return layer.pull(["websocket.receive"], consumer, 1)[0]


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("trouble", [without_replicas, read_only, full, cut])
async def test_sockets_continue_after_an_outage(
    trouble: Any,
    application: Interface,
    consumers: Consumers,
    layers: list[RedisChannelLayer],
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stays, leaves = await Client(application).accepted(), await Client(application).accepted()
    with redis_server.client() as client:
        with trouble(client):
            stays.send("meanwhile")
            leaves.leave(1001)
            await asyncio.to_thread(wait_for, lambda: "Trying again" in caplog.text, "the trouble")
        stays.send("afterwards")
        await stays.until(lambda: stays.texts == ["meanwhile", "afterwards"])
        await consumers.until(lambda: ("disconnect", (1001, 0)) in consumers.seen)
        stays.leave(1001)
        await consumers.until(lambda: ("disconnect", (1001, 2)) in consumers.seen)
        await application.drain_ended()
        for kind in ("connections", "session"):  # the worker commits after its consumer has run
            pattern = f"{layers[0].client.prefix}{kind}:*"
            gone = functools.partial(lambda each: client.keys(each) == [], pattern)
            await asyncio.to_thread(wait_for, gone, f"the end of {pattern}")
    assert application.sockets.known == set()


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("trouble", [without_replicas, read_only, full])
async def test_a_join_waits_for_the_end_of_an_outage(
    trouble: Any,
    application: Interface,
    consumers: Consumers,
    layers: list[RedisChannelLayer],
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    consumers.joins_on_frames = True
    client = await Client(application).accepted()
    with consumers.held(), redis_server.client() as redis_client:
        client.send("join")
        await consumers.until(lambda: ("begins", "join") in consumers.seen)
        with trouble(redis_client):
            consumers.go_on.set()
            await asyncio.to_thread(
                wait_for, lambda: "Changing groups in" in caplog.text, "the trouble"
            )
    await client.until(lambda: client.texts == ["join"])
    client.leave()
    await client.ended()


@pytest.mark.usefixtures("workers")
async def test_an_unreadable_payload_in_an_inbox_affects_no_other(
    application: Interface,
    layers: list[RedisChannelLayer],
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await Client(application).accepted()
    foreign = RedisChannelLayer(hosts=[redis_server.url], symmetric_encryption_keys=["other"])
    await asyncio.to_thread(foreign.apply, [foreign.make_group_send("room", {"text": "secret"})])
    foreign.disconnect()
    client.send("hi")
    await client.until(lambda: client.texts == ["hi"])
    assert "cannot be decoded" in caplog.text
    client.leave()
    await client.ended()


@pytest.mark.usefixtures("workers")
async def test_an_unreadable_payload_becomes_a_dead_letter(
    application: Interface,
    layers: list[RedisChannelLayer],
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its connection continues. An unreadable handshake is refused at once."""
    foreign = RedisChannelLayer(hosts=[redis_server.url], symmetric_encryption_keys=["other"])
    client = await Client(application).accepted()
    with monkeypatch.context() as encrypted:
        for name in ("encode", "encode_own"):
            encrypted.setattr(layers[0].codec, name, foreign.codec.encode)
        client.send("secret")
        refused = Client(application)
        await refused.until(lambda: refused.types == ["close"])
    client.send("hi")
    await client.until(lambda: client.texts == ["hi"])
    letters = await asyncio.to_thread(layers[0].admin.dead_letters)
    assert sorted(letter.message.channel for letter in letters) == [CONNECT, RECEIVE]
    assert all("symmetric_encryption_keys" in letter.reason for letter in letters)
    foreign.disconnect()
    for each in (client, refused):
        each.leave()
        await each.ended()


@pytest.mark.usefixtures("workers")
async def test_only_the_unreadable_entry_becomes_a_dead_letter(
    application: Interface,
    layers: list[RedisChannelLayer],
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis_server.client() as client:
        for fields in ({"strange": "entry"}, {"id": "1", "payload": "x", "order": "<Enum>"}):
            client.xadd(layers[0].streams.key("websocket.receive"), fields)
    person = await Client(application).accepted()
    person.send("hi")
    await person.until(lambda: person.texts == ["hi"])
    assert caplog.text.count("A message of channel websocket.receive cannot be read") == 1
    await asyncio.to_thread(wait_for, lambda: not layers[0].length("websocket.receive"), "the end")
    assert [letter.is_unreadable for letter in layers[0].admin.dead_letters()] == [True, True]
    person.leave()
    await person.ended()


async def test_a_failed_release_is_retried(
    layers: list[RedisChannelLayer], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = layers[0]
    group = WorkerGroup(layer, router=Router([]))
    for number in range(3):
        layer.apply([layer.make_send("websocket.receive", {"n": number})])
        group.in_flight.backlog.add([pull_one(layer, group.workers[0].consumer)])
    requeue, calls = layer.requeue, []

    def fail_once(delivery: Delivery, *, counted: bool) -> Any:
        calls.append(delivery)
        if len(calls) == 2:
            raise LayerUnavailable("a cut line")
        return requeue(delivery, counted=counted)

    monkeypatch.setattr(layer, "requeue", fail_once)
    with pytest.raises(LayerUnavailable):
        group.in_flight.hand_back(layer)
    group.in_flight.hand_back(layer)
    assert [layer.content(delivery)["n"] for delivery in calls] == [0, 1, 1, 2]
    again = [pull_one(layer, "other") for _ in range(3)]
    assert sorted(layer.content(delivery)["n"] for delivery in again) == [0, 1, 2]


async def test_every_delivery_runs_once_after_a_lost_reply(
    layers: list[RedisChannelLayer],
) -> None:
    layer = layers[0]
    group = WorkerGroup(layer, router=Router([]))
    worker = group.workers[0]
    for number in range(3):
        layer.apply([layer.make_send("websocket.receive", {"n": number})])
    worker.slot.running = pull_one(layer, worker.consumer)
    pull_one(layer, worker.consumer)  # its reply is lost
    layer.streams.recover(worker.consumer)
    found = [worker._pull(), worker._pull()]
    numbers = [layer.content(delivery)["n"] for delivery in found if delivery is not None]
    assert numbers == [1, 2]


async def test_a_commit_during_a_recovery_does_not_run_again(
    layers: list[RedisChannelLayer], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = layers[0]
    group = WorkerGroup(layer, n_threads=2, router=Router([]))
    first, second = group.workers
    layer.apply([layer.make_send("websocket.receive", {"n": number}) for number in range(2)])
    second.slot.running = pull_one(layer, first.consumer)  # pulled by the first, run by the second
    lost = pull_one(layer, first.consumer)
    layer.streams.recover(first.consumer)
    pull = layer.streams.pull

    def pull_and_commit_meanwhile(asked: Pull) -> list[Delivery]:
        found = pull(asked)
        if second.slot.running is not None:
            layer.commit(Finished(second.slot.running))
            second.slot.running = None
        return found

    monkeypatch.setattr(layer.streams, "pull", pull_and_commit_meanwhile)
    assert first._pull() == lost
    assert group.in_flight.backlog.all() == []


async def test_a_delivery_to_a_cut_connection_is_recovered(
    layers: list[RedisChannelLayer], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, consumer, recovered_for = layers[0], "worker.0", 1000.0
    monkeypatch.setattr(streams, "RECOVERY_TIME", recovered_for)
    command = Pull(("websocket.receive",), consumer, TIMEOUT).command(layer.streams.key(""))
    assert layer.pull(["websocket.receive"], consumer, 0) == []
    with redis_server.client() as client:
        waiting = asyncio.create_task(asyncio.to_thread(client.execute_command, *command))
        await asyncio.to_thread(
            wait_for, lambda: client.info("clients")["blocked_clients"] == 1, "the blocked read"
        )
        layer.streams.recover(consumer)  # as if our connection, now cut, had sent that read
        assert layer.pull(["websocket.receive"], consumer, 0) == []
        layer.apply([layer.make_send("websocket.receive", {"n": 1})])
        await waiting
    [found] = layer.pull(["websocket.receive"], consumer, 0)
    assert layer.content(found) == {"n": 1}
    assert layer.pull(["websocket.receive"], consumer, 0) == []


async def test_a_connection_cut_during_a_blocking_pull(
    layers: list[RedisChannelLayer], redis_server: RedisServer
) -> None:
    layer = layers[1]
    layer.register("worker", ProcessInfo.this("worker"))
    layer.apply([layer.make_send("websocket.receive", {"n": 1})])
    first = pull_one(layer, "worker.0")
    waiting = asyncio.create_task(
        asyncio.to_thread(*(layer.commit_and_pull, [Finished(first)], ["websocket.receive"], 5, 1))
    )
    with redis_server.client() as client:
        await asyncio.to_thread(
            wait_for, lambda: not layer.length("websocket.receive"), "the commit"
        )
        client.client_kill_filter(_type="normal", skipme=True)
    assert await waiting == ([Committed.DONE], [])
    with pytest.raises(LayerUnavailable):  # this thread's connection was cut too
        pull_one(layer, "other.0")
    layers[0].apply([layer.make_send("websocket.receive", {"n": 2})])
    again = pull_one(layer, "worker.0")
    assert layer.content(again) == {"n": 2}
    assert layer.commit(Finished(again)) is Committed.DONE


async def test_a_refused_commit_keeps_the_order_of_its_channel(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(in_flight, "PREFETCH_LEASE_ALONE", 0.02)
    monkeypatch.setattr(relief, "RELIEF_INTERVAL", 0.02)
    settings.CHANNEL_WORKERS = {"FULL_TIMEOUT": 0.3}
    layer = RedisChannelLayer(hosts=[redis_server.url], channel_capacity={"full": 0})
    seen: list[int] = []

    def work(message: Message) -> None:
        seen.append(message["n"])
        Channel("full", channel_layer=layer).send({})

    group = WorkerGroup(layer, router=Router([route("work", work)]))
    layer.apply([layer.make_send("work", {"n": number}) for number in range(5)])
    group.start()
    await asyncio.to_thread(wait_for, lambda: len(seen) >= 5, "all messages")
    group.stop()
    assert await asyncio.to_thread(group.join, TIMEOUT)
    assert seen == [0, 1, 2, 3, 4]
    layer.disconnect()


async def test_a_delivery_to_a_worker_unaware_of_data_loss_runs(
    layers: list[RedisChannelLayer], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "DEAD_AFTER", 0.5)
    monkeypatch.setattr(reaper, "LOOK_INTERVAL", 0.1)
    layer, seen, goes_on = layers[1], [], threading.Event()

    def work(message: Message) -> None:
        seen.append(message["n"])
        assert goes_on.wait(TIMEOUT)

    group = WorkerGroup(layer, router=Router([route("work", work)]))
    group.start()
    layer.apply([layer.make_send("work", {"n": 1})])
    await asyncio.to_thread(wait_for, lambda: seen == [1], "the first message")
    name = group.process
    redis_server.flush()
    layer.apply([layer.make_send("work", {"n": 2})])
    layer.pull(["work"], f"{name}.0", 1)  # nobody receives it
    await asyncio.to_thread(wait_for, lambda: group.process != name, "a new name")
    goes_on.set()
    await asyncio.to_thread(wait_for, lambda: seen == [1, 2], "the second message")
    group.stop()
    assert await asyncio.to_thread(group.join, TIMEOUT)


async def test_a_delivery_to_an_unregistered_worker_runs(
    layers: list[RedisChannelLayer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "DEAD_AFTER", 0.5)
    for name in ("LOOK_INTERVAL", "SEARCH_INTERVAL"):
        monkeypatch.setattr(reaper, name, 0.1)
    layer, seen = layers[1], []
    layer.apply([layer.make_send("work", {"n": 1})])
    layers[0].pull(["work"], "killed before its first heartbeat.0", 1)
    group = WorkerGroup(
        layer, router=Router([route("work", lambda message: seen.append(message["n"]))])
    )
    group.start()
    await asyncio.to_thread(wait_for, lambda: seen == [1], "the message")
    group.stop()
    assert await asyncio.to_thread(group.join, TIMEOUT)


async def test_an_unnoticed_delivery_runs(
    layers: list[RedisChannelLayer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", 0.1)
    monkeypatch.setattr(heartbeat, "SEARCH_INTERVAL", 0.1)
    layer, seen = layers[1], []
    group = WorkerGroup(
        layer, router=Router([route("work", lambda message: seen.append(message["n"]))])
    )
    group.start()
    for number in range(3):  # as after a cut: an old read reaches Redis late
        while not (unseen := layers[0].pull(["work"], group.workers[0].consumer, 0)):
            layer.apply([layer.make_send("work", {"n": number})])
        await asyncio.to_thread(
            wait_for, lambda at=number: at in seen, f"{layer.content(unseen[0])}"
        )
    name = group.process
    while not layers[0].admin.mark_dead(name, layers[0].admin.processes()[name]):
        pass  # there was a heartbeat in between
    await asyncio.to_thread(wait_for, lambda: group.process != name, "a new name")
    while not layers[0].pull(["work"], f"{name}.0", 0):
        layer.apply([layer.make_send("work", {"n": "late"})])
    await asyncio.to_thread(wait_for, lambda: "late" in seen, "what came to the old name")
    group.stop()
    assert await asyncio.to_thread(group.join, TIMEOUT)
    layers[0].admin.clean_up(name)


async def test_a_cancelled_call_of_an_unknown_script_blocks_no_other(
    layers: list[RedisChannelLayer], redis_server: RedisServer
) -> None:
    layer = layers[0]
    await layer.new_channel()
    with redis_server.client() as client:
        client.script_flush()
    sending = asyncio.create_task(layer.group_send("room", {"n": 1}))
    await asyncio.sleep(0)  # it is written now
    sending.cancel()
    await asyncio.wait_for(layer.group_send("room", {"n": 2}), 60)


async def test_an_evicted_server_forgets_all_its_sockets(
    application: Interface, layers: list[RedisChannelLayer], redis_server: RedisServer
) -> None:
    clients = [Client(application) for _ in range(5)]
    await layers[0].new_channel()  # afterwards Redis knows the server
    server = layers[0]._server
    assert server is not None
    while not layers[0].admin.mark_dead(server.id, layers[0].admin.processes()[server.id]):
        pass  # there was a heartbeat in between
    for client in clients:
        await client.until(lambda client=client: client.types == ["close"])
        client.leave(1006)
        await client.ended()
    assert application.sockets.known == set()
    assert server.receivers == {}


async def test_calls_in_flight_end_with_their_session(layers: list[RedisChannelLayer]) -> None:
    layer = layers[0]
    channel = await layer.new_channel()
    waiting = [asyncio.ensure_future(layer.group_send("room", {"n": 1})) for _ in range(3)]
    await asyncio.sleep(0)
    await layer.retire_server()
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), TIMEOUT)
    assert all(result is None or isinstance(result, LayerUnavailable) for result in results)
    assert channel


@pytest.mark.usefixtures("workers")
async def test_a_frame_too_large_for_the_layer_closes_only_its_own_socket(
    application: Interface, consumers: Consumers, layers: list[RedisChannelLayer]
) -> None:
    """With FRAME_SIZE above the layer's `message_size`."""
    client, other = [await Client(application).accepted() for _ in range(2)]
    layers[0].codec.message_size = 1_000
    client.send("x" * 2_000)
    await client.until(lambda: client.close_codes == [4009])
    client.leave()
    await consumers.until(lambda: len(consumers.ends) == 1)
    assert consumers.ends == [(4009, 0)]
    other.send("hi")
    await other.until(lambda: other.texts == ["hi"])
