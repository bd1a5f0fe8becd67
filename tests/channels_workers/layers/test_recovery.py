"""A Redis that lost its data, or returns with old data, costs no connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis import RedisChannelLayer, registration, requests, session
from channels_workers.layers.redis.registration import Registration
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    Closed,
    Committed,
    ConnectionSnapshot,
    Delivery,
    Finished,
    Liveness,
    PendingMessage,
    ProcessInfo,
    Published,
    Send,
    Session,
)
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.recorder import TIMEOUT, Recorder

CHANNELS = [CONNECT, RECEIVE, DISCONNECT]
WORKER = "worker.0"


class Socket(Recorder):
    """A connection that remembers what it published, as that of an interface server does."""

    def __init__(self, site: "Site") -> None:
        super().__init__()
        self.site = site
        self.order = -1
        self.pending: PendingMessage | None = None

    def release(self, order: int) -> None:
        if order == self.order:
            self.pending = None
        super().release(order)

    def snapshot(self) -> ConnectionSnapshot | None:
        return None if self.order < 0 else ConnectionSnapshot(self.order, b"\x80", self.pending)

    async def publish(self, **content: Any) -> Published:
        self.order += 1
        channel = RECEIVE if self.order else CONNECT
        self.pending = PendingMessage(channel, self.site.layer.encode(content))
        payload = self.pending.payload
        return await self.site.layer.publish(channel, self.channel, self.order, payload, b"\x80")

    async def say(self, **content: Any) -> None:
        """Publish, and wait until a worker has finished it."""
        publishing = asyncio.create_task(self.publish(**content))
        await self.site.work()
        await publishing
        await self.until(lambda: self.pending is None)

    async def close(self) -> Closed:
        closed = await self.site.layer.close(self.channel, 1000)
        self.site.layer.detach(self.channel)
        return closed


class Site:
    """An interface server, a worker that works on command, and their Redis."""

    def __init__(self, url: str, redis_client: redis.Redis) -> None:
        self.layer = RedisChannelLayer(hosts=[url])
        self.worker = RedisChannelLayer(hosts=[url])
        self.redis = redis_client
        self.worker.register("worker", ProcessInfo("worker", "host", 1, 0.0, 1, tuple(CHANNELS)))

    async def socket(self) -> Socket:
        socket = Socket(self)
        socket.channel = await self.layer.attach(socket)
        await socket.say()
        return socket

    async def pull(self) -> Delivery:
        async with asyncio.timeout(TIMEOUT):
            while True:
                if found := await asyncio.to_thread(self.worker.pull, CHANNELS, WORKER, 0.2):
                    return found[0]

    async def commit(self, delivery: Delivery, *operations: Any, **more: Any) -> Committed:
        """Commit as a worker does: wait while the others register again."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                try:
                    return await asyncio.to_thread(
                        self.worker.commit, Finished(delivery, operations, more.get("session"))
                    )
                except LayerUnavailable:
                    await asyncio.sleep(0.01)

    async def work(self, *operations: Any, session: bytes | None = None) -> Delivery:
        delivery = await self.pull()
        kept = Session(str(delivery.reply_channel), session) if session else None
        assert await self.commit(delivery, *operations, session=kept) is Committed.DONE
        return delivery

    async def nothing_waits(self) -> None:
        assert await asyncio.to_thread(self.worker.pull, CHANNELS, WORKER, 0.0) == []

    def snapshot(self) -> dict[bytes, Any]:
        """All data of Redis, for a later run of it."""
        found = {key: self.redis.dump(key) for key in self.redis.keys("*")}
        self.redis.set("other", "f" * 40)
        return found | {f"{self.layer.client.prefix}run".encode(): self.redis.dump("other")}

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition():  # noqa: ASYNC110  (Redis tells nobody)
                await asyncio.sleep(0.01)

    async def evicted(self, snapshot: dict[bytes, Any] | None = None) -> None:
        """Empty or restore Redis. Returns when everything is registered again."""
        with self.redis.pipeline() as pipeline:
            pipeline.flushall()
            for key, value in (snapshot or {}).items():
                pipeline.restore(key, 0, value)
            pipeline.execute()
        recovered = f"{self.layer.client.prefix}recovered"
        known = (snapshot or {}).get(recovered.encode())
        await self.until(lambda: self.redis.dump(recovered) != known)


@pytest.fixture
async def site(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(registration, "RECOVERY_TIME", 0.2)
    with redis_server.client() as client:
        found = Site(redis_server.url, client)
        yield found
        await found.layer.retire_server()
        found.layer.disconnect()
        found.worker.disconnect()


async def test_a_connection_survives(site: Site) -> None:
    socket = await site.socket()
    await site.evicted()
    await socket.say(text="hi")
    assert socket.releases == [0, 1]
    assert not socket.lost


async def test_groups_are_restored(site: Site) -> None:
    socket, other = await site.socket(), await site.socket()
    await site.layer.group_add("group", socket.channel)
    mailbox = await site.layer.new_channel()
    await site.layer.group_add("mailboxes", mailbox)
    await site.layer.send(other.channel, {"n": 0})
    await other.until_got({"n": 0})
    await site.evicted()
    await site.layer.group_send("group", {"n": 1})
    await site.layer.group_send("mailboxes", {"n": 2})
    await socket.until_got({"n": 1})
    assert (await site.layer.receive(mailbox))["n"] == 2
    site.layer.leave_groups(socket.channel)
    await site.layer.new_channel()
    await site.until(lambda: not site.worker.members("group"))


async def test_sessions_are_restored(site: Site) -> None:
    socket = await site.socket()
    publishing = asyncio.create_task(socket.publish(text="hi"))
    await site.work(session=b"first")
    await publishing
    await socket.until(lambda: socket.pending is None)
    site.worker.save_session(Session(socket.channel, b"second"))
    await site.layer.send(socket.channel, {"n": 0})
    await socket.until_got({"n": 0})
    await site.evicted()
    assert site.worker.load_session(socket.channel) == b"second"


@pytest.mark.parametrize("is_begun", [False, True])
async def test_a_pending_message_runs_again(is_begun: bool, site: Site) -> None:
    socket = await site.socket()
    assert await socket.publish(text="hi") is Published.PUBLISHED
    lost = await site.pull() if is_begun else None
    await site.evicted()
    if lost is not None:
        assert await site.commit(lost) is Committed.STALE
    again = await site.work()
    assert (again.id, again.order) == (f"{socket.channel}:1", 1)
    await socket.until(lambda: socket.releases == [0, 1])
    await site.nothing_waits()


async def test_a_message_published_meanwhile_runs_once(site: Site) -> None:
    socket = await site.socket()
    losing = asyncio.create_task(site.evicted())
    publishing = asyncio.create_task(socket.publish(text="hi"))
    assert (await site.work()).order == 1
    await losing
    assert await publishing in (Published.PUBLISHED, Published.REPEATED)
    await socket.until(lambda: socket.releases == [0, 1])
    await site.nothing_waits()


async def test_a_handshake_meanwhile_waits(site: Site) -> None:
    await site.socket()
    losing = asyncio.create_task(site.evicted())
    socket = await site.socket()
    await losing
    await socket.say(text="hi")
    assert socket.releases == [0, 1]


@pytest.mark.parametrize("is_begun", [False, True])
async def test_an_unfinished_disconnect_runs_again(is_begun: bool, site: Site) -> None:
    socket = await site.socket()
    assert await socket.close() is Closed.PUBLISHED
    lost = await site.pull() if is_begun else None
    await site.evicted()
    if lost is not None:
        assert await site.commit(lost) is Committed.STALE
    last = await site.work()
    assert (last.channel, last.code) == (DISCONNECT, 1000)
    await site.nothing_waits()
    await site.evicted()  # its end is known
    await site.nothing_waits()
    assert site.redis.keys("*connections*") == []


async def test_a_message_and_the_disconnect_after_it(site: Site) -> None:
    socket = await site.socket()
    await socket.publish(text="hi")
    assert await socket.close() is Closed.CLOSING
    await site.evicted()
    assert [(await site.work()).channel for _ in range(2)] == [RECEIVE, DISCONNECT]
    await site.nothing_waits()


async def test_many_connections(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RESTORED_AT_ONCE", 3)
    sockets = [await site.socket() for _ in range(10)]
    for socket in sockets[::2]:
        await site.layer.group_add("group", socket.channel)
    await site.evicted()
    for socket in sockets:
        await socket.say(text="hi")
    await site.layer.group_send("group", {"n": 1})
    for socket in sockets[::2]:
        await socket.until_got({"n": 1})
    assert all(socket.messages == [] for socket in sockets[1::2])


async def test_two_losses_in_a_row(site: Site) -> None:
    socket = await site.socket()
    for number in range(2):
        await site.evicted()
        await socket.say(text=str(number))
    assert socket.releases == [0, 1, 2]


# Old data


async def test_old_records_are_replaced(site: Site) -> None:
    socket = await site.socket()
    old = site.snapshot()
    for text in ("one", "two"):
        await socket.say(text=text)
    await site.evicted(old)
    await socket.say(text="three")
    assert socket.releases == [0, 1, 2, 3]
    await site.nothing_waits()


async def test_a_connection_that_ended_since_gets_no_second_disconnect(site: Site) -> None:
    ended, open_ = await site.socket(), await site.socket()
    old = site.snapshot()
    await ended.close()
    assert (await site.work()).channel == DISCONNECT
    await site.layer.send(open_.channel, {"n": 0})
    await open_.until_got({"n": 0})
    await site.evicted(old)
    await site.nothing_waits()
    await open_.close()
    assert (await site.work()).reply_channel == open_.channel
    assert site.redis.keys("*connections*") == []


async def test_a_queued_message_is_not_published_again(site: Site) -> None:
    socket = await site.socket()
    await socket.publish(text="hi")
    await site.evicted(site.snapshot())
    assert (await site.work()).id == f"{socket.channel}:1"
    await site.nothing_waits()
    await socket.until(lambda: socket.releases == [0, 1])


async def test_a_queued_disconnect_is_not_published_again(site: Site) -> None:
    socket = await site.socket()
    await socket.close()
    await site.evicted(site.snapshot())
    assert (await site.work()).channel == DISCONNECT
    await site.nothing_waits()


async def test_a_message_of_the_old_data_changes_nothing(site: Site) -> None:
    socket = await site.socket()
    await socket.publish(text="one")
    old = site.snapshot()
    await site.work()
    await socket.until(lambda: socket.pending is None)
    await socket.say(text="two")
    await site.evicted(old)
    again = await site.pull()
    assert again.order == 1
    send = site.worker.make_send(socket.channel, {"n": 1})
    assert await site.commit(again, send) is Committed.GONE
    await socket.say(text="three")
    assert socket.messages == []


async def test_old_group_members_are_removed(site: Site) -> None:
    socket = await site.socket()
    await site.layer.group_add("group", socket.channel)
    await site.layer.send(socket.channel, {"n": 0})
    await socket.until_got({"n": 0})
    old = site.snapshot()
    site.layer.leave_groups(socket.channel)
    await site.until(lambda: not site.worker.members("group"))
    await site.evicted(old)
    assert site.worker.members("group") == set()


# What waits for the recovery, and what does not


async def test_sends_and_commits_wait_until_all_are_registered_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "RECOVERY_TIME", 3600)
    socket = await site.socket()
    await socket.publish(text="hi")
    losing = asyncio.create_task(site.evicted())
    await site.until(lambda: site.redis.exists(f"{site.layer.client.prefix}recovering"))
    delivery = await site.pull()
    with pytest.raises(LayerUnavailable, match="register again"):
        site.worker.commit(Finished(delivery))
    with pytest.raises(LayerUnavailable, match="register again"):
        site.worker.apply([site.worker.make_group_send("group", {"n": 1})])
    monkeypatch.setattr(registration, "RECOVERY_TIME", 0)
    await losing
    assert await site.commit(delivery) is Committed.DONE


async def test_each_part_of_a_restoration_counts_as_a_heartbeat(site: Site) -> None:
    for _ in range(4):
        await (await site.socket()).say(text="hi")
    server, client = site.layer._server, site.layer.client
    assert server is not None
    (epoch,) = client.redis.mget(client.key("epoch"))
    counters = []
    for request in requests.restore(server, epoch.decode(), ProcessInfo.this("server"), size=2):
        assert client.call(request) == b"done"
        counters.append(site.layer.admin.processes()[server.id])
    assert counters[1] > counters[0]


async def test_a_dead_server_is_not_restored(site: Site) -> None:
    socket = await site.socket()
    server = socket.channel.partition("!")[0]
    with site.redis.pipeline() as pipeline:
        pipeline.hdel(f"{site.layer.client.prefix}processes", server)
        pipeline.lpush(f"{site.layer.client.prefix}dead", server)
        pipeline.execute()
    await socket.until(lambda: socket.lost)


def test_a_worker_learns_that_it_is_not_registered(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    layer.register("worker", ProcessInfo.this("worker"))
    assert layer.heartbeat("worker") is Liveness.ALIVE
    redis_server.flush()
    assert layer.heartbeat("worker") is Liveness.LOST
    layer.disconnect()


@pytest.mark.parametrize("has_line", [False, True])
def test_a_restarted_redis_is_recognised_at_once(
    has_line: bool, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "options", ("--dbfilename", "kept.rdb"))
    redis_server.stop()
    redis_server.start()
    layer = RedisChannelLayer(hosts=[redis_server.url])
    layer.register("worker", ProcessInfo.this("worker"))
    if has_line:  # a connection that this thread keeps and that knows its Redis
        layer.pull(["work"], WORKER, 0)
    layer.apply([Send("work", layer.encode({}))])
    with redis_server.client() as client:
        client.save()
    redis_server.stop()
    redis_server.start()
    if has_line:
        with pytest.raises(LayerUnavailable, match="does not answer"):
            layer.apply([Send("work", layer.encode({}))])
    with pytest.raises(LayerUnavailable, match="LOST Redis was restarted"):
        layer.apply([Send("work", layer.encode({}))])
    assert layer.heartbeat("worker") is Liveness.LOST
    layer.disconnect()


def test_another_format_is_refused_with_both_versions(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    layer.register("worker", ProcessInfo.this("worker"))
    with redis_server.client() as client:
        assert client.get("channels:format") == str(FORMAT_VERSION).encode()
        client.set("channels:format", 99)
    with pytest.raises(LayerUnavailable, match=r"of format 99, .* format 2\. .* another prefix"):
        layer.register("other", ProcessInfo.this("worker"))
    assert layer.heartbeat("worker") is Liveness.ALIVE
    layer.disconnect()


# Registration


def test_the_time_to_register_again_ends_at_its_deadline() -> None:
    known = Registration("process", "first")
    now = time.monotonic()
    assert known.read([b"alive", b"2", b"", 1], now) is Liveness.ALIVE
    assert not list(known.follow_up(now + 60))
    assert known.read([b"lost", b"second"], now) is Liveness.LOST
    assert not list(known.follow_up(now + registration.RECOVERY_TIME - 0.1))
    (request,) = known.follow_up(now + registration.RECOVERY_TIME)
    assert request.arguments == [b"second"]
    known.begin_again("second")
    assert known.read([b"alive", b"2", b"", 1], now + 60) is Liveness.ALIVE
    assert not list(known.follow_up(now + 60))
