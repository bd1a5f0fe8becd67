"""A server's session with Redis: its start, its end and its restart, on a real Redis."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers import base
from channels_workers.layers.codec import Codec
from channels_workers.layers.redis import (
    RedisChannelLayer,
    heartbeat,
    inbox_reader,
    session,
)
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.server import Server
from channels_workers.layers.types import Send
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.channels_workers.layers.recorder import TIMEOUT, Recorder


@pytest.fixture
async def layer(redis_server: RedisServer) -> AsyncIterator[RedisChannelLayer]:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    yield layer
    redis_server.start()
    await layer.retire_server()
    layer.disconnect()


async def until(condition: Any, what: str) -> None:
    await asyncio.to_thread(wait_for, condition, what)


async def test_a_channel_is_created_while_the_session_of_another_event_loop_ends(
    layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    """As in two views of a WSGI process that have separate event loops."""
    redis_server.stop()
    begun = threading.Event()

    async def dead_letter() -> None:
        making = asyncio.create_task(layer.new_channel())
        await until(lambda: layer._server_session, "the session")
        begun.set()
        await until(lambda: len(layer._server.receivers) == 2, "the other")  # type: ignore[union-attr]
        making.cancel()
        await asyncio.wait([making])

    ending = asyncio.create_task(asyncio.to_thread(asyncio.run, dead_letter()))
    await asyncio.to_thread(begun.wait, TIMEOUT)
    making = asyncio.create_task(layer.new_channel())
    await ending
    assert not making.done()
    redis_server.start()
    channel = await asyncio.wait_for(making, TIMEOUT)
    await layer.send(channel, {"n": 1})
    assert (await asyncio.wait_for(layer.receive(channel), TIMEOUT))["n"] == 1


async def test_a_failed_channel_creation_leaves_nothing_behind(
    layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    """Nobody would ever read its messages."""
    redis_server.stop()
    making = asyncio.create_task(layer.new_channel())
    await asyncio.wait([making], timeout=0)
    server = layer.start_server()
    assert len(server.receivers) == 1
    making.cancel()
    await asyncio.wait([making])
    await until(lambda: not server.receivers, "its end")


async def test_receivers_of_a_retiring_server_get_an_error(
    layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    redis_server.stop()
    making = asyncio.create_task(layer.new_channel())
    await asyncio.wait([making], timeout=0)
    with suppress(LayerUnavailable):
        await layer.retire_server()
    with pytest.raises(LayerUnavailable):
        await asyncio.wait_for(making, TIMEOUT)


async def test_the_first_attempt_reports_the_error_and_the_next_continues(
    layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    redis_server.stop()
    layer.start_server()
    with pytest.raises(LayerUnavailable, match="does not answer"):
        await asyncio.wait_for(layer.first_attempt(), TIMEOUT)
    redis_server.start()
    assert await asyncio.wait_for(layer.new_channel(), TIMEOUT)


class SlowServer(Server):
    """A server whose creation is slow enough for another thread to interfere."""

    both = threading.Barrier(2)

    def __init__(self, codec: Codec, shard: str | None = None) -> None:
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.5)
        super().__init__(codec, shard)


def test_threads_that_create_channels_concurrently_share_one_server(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "Server", SlowServer)
    layer = RedisChannelLayer(hosts=[redis_server.url])

    def make() -> str:
        return asyncio.run(layer.new_channel()).partition("!")[0]

    with ThreadPoolExecutor(2) as threads:
        first, second = [threads.submit(make) for _ in range(2)]
    assert first.result() == second.result()
    assert set(layer.admin.processes()) == {first.result()}
    layer.forget_server()
    layer.disconnect()


async def test_a_failing_eviction_callback_does_not_stop_others(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 0.05)
    bad, good = Recorder(), Recorder()

    def fail() -> None:
        raise RuntimeError("broken receiver")

    monkeypatch.setattr(bad, "evicted", fail)
    for receiver in (bad, good):
        receiver.channel = await layer.attach(receiver)
    await layer.first_attempt()
    server = layer.start_server()
    await until(
        lambda: layer.admin.mark_dead(server.id, layer.admin.processes()[server.id]), "the mistake"
    )
    await until(lambda: good.lost, "the loss")
    await until(lambda: not server.receivers, "the end of the server")
    assert "broken receiver" in caplog.text
    layer.admin.clean_up(server.id)


def counter_of(layer: RedisChannelLayer, server: str) -> int:
    return layer.admin.processes().get(server, 0)


async def test_a_heartbeat_does_not_wait_for_what_the_server_writes(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 1000.0)
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.02)
    server = layer.start_server().id
    await layer.first_attempt()
    await until(lambda: counter_of(layer, server) > 5, "heartbeats")


async def test_a_server_whose_event_loop_hangs_stops_its_heartbeat(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 1000.0)
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.02)
    monkeypatch.setattr(heartbeat, "HANGS_AFTER", 0.2)
    server = layer.start_server().id
    await layer.first_attempt()
    await until(lambda: counter_of(layer, server) > 5, "heartbeats")
    wait_for(lambda: "has not turned" in caplog.text, "the end of the heartbeat")  # it hangs here
    before = counter_of(layer, server)
    assert caplog.text.count("has not turned") == 1
    assert counter_of(layer, server) == before
    await until(lambda: counter_of(layer, server) > before, "heartbeats again")


async def test_a_server_whose_session_is_stuck_stops_its_heartbeat(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would hold sockets whose frames reach nobody."""
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 1000.0)
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.02)
    monkeypatch.setattr(heartbeat, "STUCK_AFTER", 0.2)
    server = layer.start_server().id
    await until(lambda: "has not got through" in caplog.text, "the end of the heartbeat")
    before = counter_of(layer, server)
    assert before > 1
    assert layer._server_session is not None
    layer._server_session.trim_inbox()  # the session heartbeats
    await until(lambda: counter_of(layer, server) > before + 1, "heartbeats again")
    assert caplog.text.count("has not got through") >= 1


async def test_the_thread_of_heartbeats_notices_a_loss_and_beats_on_after_it(
    layer: RedisChannelLayer, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 1000.0)
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.02)
    server = layer.start_server().id
    await layer.first_attempt()
    await until(lambda: counter_of(layer, server) > 5, "heartbeats")
    layer.client.redis.flushall()
    await until(lambda: counter_of(layer, server) > 5, "heartbeats in the new epoch")


async def test_the_counter_rises_while_a_server_registers_again(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many connections that takes longer than a process may be silent."""
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.02)
    server = layer.start_server()
    await layer.first_attempt()
    call, goes_on = layer.client.call, threading.Event()
    restored: list[Request] = []

    def slow(request: Request, quick: bool = False) -> Any:
        if request.script == "restore":
            restored.append(request)
            if len(restored) == 2:
                goes_on.wait(TIMEOUT)
        return call(request, quick)

    monkeypatch.setattr(session, "RESTORED_AT_ONCE", 1)
    for _ in range(3):
        receiver = Recorder()
        receiver.channel = await layer.attach(receiver)
        receiver.order = 0
    monkeypatch.setattr(layer.client, "call", slow)
    layer.client.redis.flushall()
    await until(lambda: len(restored) == 2, "the second part")
    await until(lambda: counter_of(layer, server.id) > 5, "heartbeats meanwhile")
    assert len(restored) == 2
    goes_on.set()
    await until(lambda: len(restored) > 2, "the other parts")


async def test_an_end_that_redis_missed_is_remembered_through_an_outage(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next successful heartbeat forgets it, a failed one does not."""
    server = layer.start_server()
    await layer.first_attempt()
    server.unsure.add("some!channel")
    assert layer._server_session is not None

    async def fail(request: Any) -> Any:
        raise LayerUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(layer._server_session, "call", fail)
        with pytest.raises(LayerUnavailable):
            await layer._server_session._heartbeat_once()
    assert server.unsure == {"some!channel"}
    await layer._server_session._heartbeat_once()
    assert server.unsure == set()


async def test_few_large_entries_of_an_inbox_are_read_at_once(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis bounds a read by entries only; 500 of 256 KiB are 128 MiB."""
    monkeypatch.setattr(inbox_reader, "READ_SIZE", 400_000)
    counts: list[int] = []
    ask = inbox_reader.InboxReader._ask

    def note(self: inbox_reader.InboxReader) -> None:
        ask(self)
        counts.append(self._count)

    monkeypatch.setattr(inbox_reader.InboxReader, "_ask", note)
    receiver = Recorder()
    channel = await layer.attach(receiver)
    await layer.first_attempt()
    sent = 0

    async def send(size: int) -> int:
        nonlocal sent
        sent += 1
        asked = len(counts)
        payload = layer.codec.encode({"content": bytes(size)})
        await asyncio.to_thread(layer.apply, [Send(channel, payload)])
        await receiver.until(lambda: len(receiver.messages) == sent)
        await until(lambda: len(counts) > asked, "the next read")
        return counts[-1]

    assert await send(700) == 500
    assert await send(79_000) == 5
    assert await send(1) == 10
    assert await send(79_000) == 5
    assert await send(399_000) == 1
    assert await send(500_000) == 1  # an entry is read, however large
    found = [await send(1) for _ in range(10)]
    assert found == [2, 4, 8, 16, 32, 64, 128, 256, 500, 500]


async def test_an_inbox_with_much_that_is_read_is_trimmed_before_a_heartbeat_is_due(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of workers come faster than heartbeats: Redis would keep all of a second."""
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 1000.0)
    monkeypatch.setattr(inbox_reader, "UNTRIMMED", 1000)
    receiver = Recorder()
    channel = await layer.attach(receiver)
    await layer.first_attempt()
    inbox = layer.client.key(f"inbox:{layer.start_server().id}")
    for count in (1, 2, 3):
        payload = layer.codec.encode({"content": bytes(600)})
        await asyncio.to_thread(layer.apply, [Send(channel, payload)])
        await receiver.until(lambda goal=count: len(receiver.messages) == goal)  # type: ignore[misc]
    await until(lambda: layer.client.redis.xlen(inbox) == 1, "the trim")


async def test_an_overdue_read_of_the_inbox_is_a_lag(
    layer: RedisChannelLayer, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is away, so nobody knows what is in the inbox."""
    await layer.new_channel()
    assert layer.inbox_lag() == 0.0
    redis_server.stop()
    monkeypatch.setattr(session, "OVERDUE", 0.1)
    await until(lambda: (layer.inbox_lag() or 0) > 0.5, "a lag")
    redis_server.start()
    monkeypatch.undo()
    await until(lambda: layer.inbox_lag() == 0.0, "the end of the lag")
