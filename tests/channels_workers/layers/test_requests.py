"""What the Redis layer keeps of requests, and what a loss of data, or of an answer, costs them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer, registration, requests, session, told
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    RECEIVE,
    REQUEST,
    REQUEST_DISCONNECT,
    REQUEST_REFUSAL,
    Closed,
    Committed,
    ConnectionSnapshot,
    Delivery,
    Finished,
    PendingMessage,
    ProcessInfo,
    Published,
    ReplyKind,
    Session,
    kind_of,
)
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.recorder import TIMEOUT, Recorder

CHANNELS = (REQUEST, REQUEST_DISCONNECT, CONNECT, RECEIVE, DISCONNECT)
WORKER = "worker.0"
PAYLOAD = b"\x80"


class Request(Recorder):
    """A request that must not run twice has no snapshot."""

    async def publish(self, layer: RedisChannelLayer) -> Published:
        return await layer.publish(REQUEST, self.channel, 0, PAYLOAD, PAYLOAD)

    def snapshot(self) -> ConnectionSnapshot | None:
        if kind_of(self.channel) is ReplyKind.ONCE:
            return None
        return ConnectionSnapshot(0, PAYLOAD, PendingMessage(REQUEST, PAYLOAD))


class Site:
    """An interface server, a worker that works on command, and their Redis."""

    def __init__(self, server: RedisServer, client: redis.Redis) -> None:
        self.server = server
        self.layer = RedisChannelLayer(hosts=[server.url])
        self.worker = RedisChannelLayer(hosts=[server.url])
        self.redis = client
        self.worker.register("worker", ProcessInfo("worker", "host", 1, 0.0, 1, CHANNELS))

    async def request(self, kind: ReplyKind = ReplyKind.ONCE) -> Request:
        made = Request()
        made.channel = await self.layer.attach(made, kind)
        assert await made.publish(self.layer) is Published.PUBLISHED
        return made

    async def pull(self) -> Delivery:
        async with asyncio.timeout(TIMEOUT):
            while True:
                if found := await asyncio.to_thread(self.worker.pull, CHANNELS, WORKER, 0.2):
                    return found[0]

    async def nothing_waits(self) -> None:
        assert await asyncio.to_thread(self.worker.pull, CHANNELS, WORKER, 0.0) == []

    async def end(self, delivery: Delivery) -> Committed:
        return await asyncio.to_thread(self.worker.commit, Finished(delivery, ends=True))

    async def listen(self, made: Request, longest: float = TIMEOUT) -> bytes | None:
        return await asyncio.to_thread(self.worker.listen, made.channel, longest)

    def key(self, name: str) -> str:
        return self.layer.client.key(name)

    def own_key(self, name: str) -> str:
        return self.key(f"{name}:{self.layer.start_server().id}")

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition():  # noqa: ASYNC110  (Redis tells nobody)
                await asyncio.sleep(0.01)

    def snapshot(self) -> dict[bytes, Any]:
        """All data of Redis, for a later run of it."""
        found = {key: self.redis.dump(key) for key in self.redis.keys("*")}
        self.redis.set("other", "f" * 40)
        return found | {self.key("run").encode(): self.redis.dump("other")}

    async def lose(self, snapshot: dict[bytes, Any] | None = None) -> None:
        """Empty or restore Redis. Returns when everything is registered again."""
        with self.redis.pipeline() as pipeline:
            pipeline.flushall()
            for key, value in (snapshot or {}).items():
                pipeline.restore(key, 0, value)
            pipeline.execute()
        known = (snapshot or {}).get(self.key("recovered").encode())
        await self.until(lambda: self.redis.dump(self.key("recovered")) != known)


@pytest.fixture
def interval() -> float:
    """How often the server heartbeats (s)."""
    return 0.02


@pytest.fixture
async def site(
    redis_server: RedisServer, interval: float, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    monkeypatch.setattr(session, "HEARTBEAT_INTERVAL", interval)
    monkeypatch.setattr(registration, "RECOVERY_TIME", 0.2)
    with redis_server.client() as client:
        found = Site(redis_server, client)
        yield found
        redis_server.start()
        await found.layer.retire_server()
        found.layer.disconnect()
        found.worker.disconnect()


rare_heartbeats = pytest.mark.parametrize("interval", [3600.0])


# What Redis keeps


async def test_what_a_consumer_is_told_expires(site: Site) -> None:
    made = await site.request()
    name = site.key(f"told:{made.channel}")
    site.layer.tell(made.channel, b"1")
    await site.until(lambda: site.redis.exists(name))
    assert 0 < site.redis.pttl(name) <= 60_000
    assert await site.end(await site.pull()) is Committed.DONE
    assert not site.redis.exists(name)


@rare_heartbeats
async def test_each_tell_trims_the_inbox(site: Site) -> None:
    """A download never waits for a heartbeat to leave Redis."""
    made = await site.request()
    inbox = site.own_key("inbox")
    for number in range(1, 6):
        await site.worker.send(made.channel, {"content": b"x" * 1000})
        await made.until(lambda number=number: len(made.messages) == number)  # type: ignore[misc]
        assert site.redis.xlen(inbox) == 1
        site.layer.tell(made.channel, b"%d" % number)
        assert await site.listen(made) == b"%d" % number
        assert site.redis.xlen(inbox) == 0


async def test_a_tell_of_another_epoch_trims_nothing(site: Site) -> None:
    """The ids of entries are times, and the clock of another Redis may be behind."""
    site.redis.xadd(site.key("inbox:other"), {"x": "y"}, id="5-0")
    for epoch, left in (("another", 1), (site.redis.get(site.key("epoch")), 0)):
        request = requests.Request("tell", ["other!once.x", b"1", "9-0", epoch])
        assert site.worker.client.call(request) == 0
        assert site.redis.xlen(site.key("inbox:other")) == left


async def test_redis_forgets_ended_requests(site: Site) -> None:
    for _ in range(3):
        made = await site.request()
        await site.end(await site.pull())
        await made.until(lambda made=made: made.ends)  # type: ignore[misc]
    untaken = await site.request()
    assert await site.layer.withdraw(untaken.channel)
    await site.until(lambda: not site.redis.exists(site.own_key("ended")))
    assert not site.redis.exists(site.own_key("connections"))
    server = site.layer.start_server()
    await site.until(lambda: not server.ended)


@rare_heartbeats
async def test_the_mark_of_an_ended_request_goes_with_its_server(site: Site) -> None:
    await site.request()
    await site.end(await site.pull())
    name = site.own_key("ended")
    assert site.redis.hlen(name) == 1
    await site.layer.retire_server()
    assert not site.redis.exists(name)


@rare_heartbeats
async def test_a_session_saved_after_the_death_of_a_server_leaves_no_inbox(site: Site) -> None:
    made = await site.request()
    delivery, server = await site.pull(), site.layer.start_server().id
    counters = await asyncio.to_thread(site.worker.admin.processes)
    assert await asyncio.to_thread(site.worker.admin.mark_dead, server, counters[server])
    await asyncio.to_thread(site.worker.admin.clean_up, server)
    await asyncio.to_thread(site.worker.save_session, Session(made.channel, b"x"))
    assert not site.redis.exists(site.own_key("inbox"))
    await asyncio.to_thread(site.worker.commit, Finished(delivery))
    assert (await site.pull()).session == b"x"


# Lost answers


@rare_heartbeats
async def test_a_publish_whose_answer_was_lost_runs_nothing_twice(site: Site) -> None:
    made = await site.request()
    assert await site.end(await site.pull()) is Committed.DONE
    assert await made.publish(site.layer) is Published.REPEATED
    await site.nothing_waits()
    await made.until(lambda: made.ends == 1)
    assert await made.publish(site.layer) is Published.REPEATED
    await site.nothing_waits()


@rare_heartbeats
async def test_nor_does_one_whose_client_went_at_once(site: Site) -> None:
    """Both answers, to publish and close, were lost in the same write."""
    made = await site.request()
    delivery = await site.pull()
    assert await site.layer.close(made.channel, 1006) is Closed.CLOSING
    for _ in range(2):
        assert await asyncio.to_thread(site.worker.commit, Finished(delivery)) is Committed.DONE
        delivery = await site.pull() if delivery.channel == REQUEST else delivery
    await made.until(lambda: made.ends == 1)
    assert await made.publish(site.layer) is Published.REPEATED
    assert await site.layer.close(made.channel, 1006) is Closed.GONE
    await site.nothing_waits()


@rare_heartbeats
async def test_a_withdrawal_whose_answer_was_lost_is_true(site: Site) -> None:
    made = await site.request()
    assert await site.layer.withdraw(made.channel)
    assert await site.layer.withdraw(made.channel)
    ended = await site.request()
    await site.end(await site.pull())
    assert not await site.layer.withdraw(ended.channel)


@rare_heartbeats
async def test_a_withdrawn_request_is_not_published_again(site: Site) -> None:
    made = await site.request()
    assert await site.layer.withdraw(made.channel)
    assert await made.publish(site.layer) is Published.REPEATED
    await site.nothing_waits()


class Socket(Recorder):
    """A socket whose connect is published."""

    async def publish(self, layer: RedisChannelLayer, order: int = 0) -> Published:
        channel = RECEIVE if order else CONNECT
        return await layer.publish(channel, self.channel, order, PAYLOAD, PAYLOAD)

    def snapshot(self) -> ConnectionSnapshot | None:
        return ConnectionSnapshot(0, PAYLOAD, None)


async def connect(site: Site) -> Socket:
    made = Socket()
    made.channel = await site.layer.attach(made)
    assert await made.publish(site.layer) is Published.PUBLISHED
    return made


async def run_all(site: Site, delivery: Delivery) -> None:
    """Run *delivery* and the disconnect after it."""
    assert await asyncio.to_thread(site.worker.commit, Finished(delivery)) is Committed.DONE
    if delivery.channel != DISCONNECT:
        await run_all(site, await site.pull())


@rare_heartbeats
@pytest.mark.parametrize(("order", "again"), [(0, Published.REPEATED), (1, Published.GONE)])
async def test_the_messages_of_a_socket_that_ended_at_once_run_once(
    order: int, again: Published, site: Site
) -> None:
    """The answers to the publish and the close after it were lost, and both come again."""
    made = await connect(site)
    delivery = await site.pull()
    if order:
        await asyncio.to_thread(site.worker.commit, Finished(delivery))
        assert await made.publish(site.layer, order) is Published.PUBLISHED
        delivery = await site.pull()
    assert await site.layer.close(made.channel, 1006) is Closed.CLOSING
    await run_all(site, delivery)
    await made.until(lambda: made.ends == 1)
    assert await made.publish(site.layer, order) is again
    assert await site.layer.close(made.channel, 1006) is Closed.GONE
    await site.nothing_waits()


@rare_heartbeats
@pytest.mark.parametrize("attach", [connect, Site.request])
async def test_what_was_withdrawn_by_its_close_is_not_published_again(
    attach: Callable[[Site], Awaitable[Any]], site: Site
) -> None:
    made = await attach(site)
    assert await site.layer.close(made.channel, 1006) is Closed.WITHDRAWN
    assert await made.publish(site.layer) is Published.REPEATED
    assert await site.layer.close(made.channel, 1006) is Closed.GONE
    await site.nothing_waits()


async def test_the_ends_of_sockets_are_soon_forgotten(site: Site) -> None:
    ended, withdrawn = await connect(site), await connect(site)
    assert await site.layer.close(withdrawn.channel, 1006) is Closed.WITHDRAWN
    delivery = await site.pull()
    await site.layer.close(ended.channel, 1006)
    await run_all(site, delivery)
    await site.until(lambda: not site.redis.exists(site.own_key("ended")))
    server = site.layer.start_server()
    await site.until(lambda: not server.ended)


@rare_heartbeats
async def test_nobody_has_to_forget_ends(site: Site) -> None:
    """Servers of older releases do not know them."""
    made = await connect(site)
    await site.layer.close(made.channel, 1006)
    assert site.redis.pttl(site.own_key("ended")) > 0
    request = await site.request()
    await site.end(await site.pull())
    await request.until(lambda: request.ends == 1)
    assert site.redis.pttl(site.own_key("ended")) > 0


# Listening


async def test_a_long_wait_consists_of_short_ones(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any of them is shorter than the time-out of the connection."""
    monkeypatch.setattr(told, "LONGEST_BLOCK", 0.02)
    made, began = await site.request(), time.monotonic()
    assert await site.listen(made, 0.1) is None
    assert time.monotonic() - began >= 0.1
    hearing = asyncio.create_task(site.listen(made))
    await asyncio.wait([hearing], timeout=0.05)
    site.layer.tell(made.channel, b"1")
    assert await hearing == b"1"


async def test_a_wait_survives_the_loss_of_its_key(site: Site) -> None:
    made = await site.request(ReplyKind.SAFE)
    site.redis.set(site.key(f"told:{made.channel}"), "foreign")
    hearing = asyncio.create_task(site.listen(made))
    await asyncio.wait([hearing], timeout=0.05)
    site.layer.tell(made.channel, b"1")
    assert await hearing == b"1"


async def test_without_redis_a_listener_learns_it_and_a_tell_waits(site: Site) -> None:
    made = await site.request()
    site.server.stop()
    with pytest.raises(LayerUnavailable):
        await site.listen(made)
    site.layer.tell(made.channel, b"1")


async def test_after_the_end_of_the_server_nobody_is_told(site: Site) -> None:
    made = await site.request()
    await site.layer.retire_server()
    site.layer.tell(made.channel, b"1")
    assert await site.listen(made, 0) is None


# After a loss of data


@pytest.mark.parametrize("is_begun", [False, True])
async def test_a_safe_request_runs_again(is_begun: bool, site: Site) -> None:
    made = await site.request(ReplyKind.SAFE)
    lost = await site.pull() if is_begun else None
    await site.lose()
    if lost is not None:
        assert await site.end(lost) is Committed.STALE
    assert await site.end(await site.pull()) is Committed.DONE
    await made.until(lambda: made.ends == 1)
    await site.nothing_waits()


@pytest.mark.parametrize("is_begun", [False, True])
async def test_a_request_that_must_not_run_twice_ends(is_begun: bool, site: Site) -> None:
    made = await site.request()
    lost = await site.pull() if is_begun else None
    await site.lose()
    await made.until(lambda: made.ends == 1)
    if lost is not None:
        assert await site.end(lost) is Committed.STALE
    await site.nothing_waits()
    assert await site.layer.close(made.channel, 1000) is Closed.GONE
    assert not site.redis.exists(site.own_key("connections"))


async def test_it_does_not_run_from_old_data_either(site: Site) -> None:
    """In which it still waits, although a worker has run it since."""
    made, safe = await site.request(), await site.request(ReplyKind.SAFE)
    old = site.snapshot()
    deliveries = [await site.pull(), await site.pull()]
    assert [each.reply_channel for each in deliveries] == [made.channel, safe.channel]
    await site.lose(old)
    await made.until(lambda: made.ends == 1)
    assert (await site.pull()).reply_channel == safe.channel
    await site.nothing_waits()
    assert site.redis.hkeys(site.own_key("connections")) == [safe.channel.encode()]


async def test_an_ended_request_does_not_run_from_old_data(site: Site) -> None:
    made = await site.request(ReplyKind.SAFE)
    old = site.snapshot()
    assert await site.end(await site.pull()) is Committed.DONE
    await made.until(lambda: made.ends == 1)
    site.layer.detach(made.channel)
    await site.lose(old)
    await site.nothing_waits()


async def test_a_publish_without_answer_is_not_repeated_after_a_loss(site: Site) -> None:
    """It may have run."""
    await site.request(ReplyKind.SAFE)
    site.redis.flushall()
    made = Request()
    made.channel = await site.layer.attach(made, ReplyKind.ONCE)
    assert await made.publish(site.layer) is Published.GONE
    await made.until(lambda: made.ends == 1)
    assert kind_of(str((await site.pull()).reply_channel)) is ReplyKind.SAFE
    await site.nothing_waits()


async def test_a_request_closes_while_it_must_not_be_restored(site: Site) -> None:
    made = await site.request()
    delivery = await site.pull()
    assert await site.layer.close(made.channel, 1006) is Closed.CLOSING
    site.layer.detach(made.channel)
    server = site.layer.start_server()
    assert server.ending_unrestored == {made.channel}
    await asyncio.to_thread(site.worker.commit, Finished(delivery))
    last = await site.pull()
    assert last.channel == REQUEST_DISCONNECT
    await asyncio.to_thread(site.worker.commit, Finished(last))
    await site.until(lambda: not server.ending_unrestored)


async def test_a_flush_leaves_no_record_of_a_detached_request(site: Site) -> None:
    made = await site.request()
    await site.pull()
    await site.layer.close(made.channel, 1006)
    site.layer.detach(made.channel)
    await site.layer.flush()
    await site.until(lambda: not site.redis.exists(site.own_key("connections")))
    assert not site.layer.start_server().ending_unrestored


# Unreadable


async def test_an_unreadable_request_is_answered(site: Site) -> None:
    made = await site.request()
    stream = site.key(f"channel:{REQUEST}")
    ((entry, fields),) = site.redis.xrange(stream)
    site.redis.xdel(stream, entry)
    site.redis.xadd(stream, {**fields, b"attempts": b"x"}, id="*")
    assert await asyncio.to_thread(site.worker.pull, CHANNELS, WORKER, 0.0) == []
    await made.until(lambda: made.releases == [0])
    assert made.messages == [REQUEST_REFUSAL]
