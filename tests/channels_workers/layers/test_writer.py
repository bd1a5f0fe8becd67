"""The callbacks of an interface server's writer, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.groups import MOST_BYTES
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.session import ServerSession
from channels_workers.layers.types import Published
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.recorder import TIMEOUT


@pytest.fixture
async def layer(redis_server: RedisServer) -> AsyncIterator[RedisChannelLayer]:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    yield layer
    await layer.retire_server()
    layer.disconnect()


@pytest.fixture
async def session(layer: RedisChannelLayer) -> ServerSession:
    await layer.new_channel()
    assert layer._server_session is not None
    await layer._server_session.call(ask())  # Redis knows the script from now on
    return layer._server_session


def ask() -> Request:
    """A read-only script."""
    return Request("workers", [], repeatable=False, ordered=False)


class Told:
    """Records the arguments of its calls."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._changed = asyncio.Event()

    def __call__(self, value: Any) -> None:
        self.values.append(value)
        self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while len(self.values) < count:
                await self._changed.wait()
                self._changed.clear()


async def test_a_failing_callback_affects_no_other(session: ServerSession) -> None:
    told = Told()
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

    def fail(value: Any, secret: str = "a cookie") -> None:
        raise ValueError

    session.writer.add(ask(), fail)
    session.writer.add(ask(), told)
    session.writer.add(ask(), told)
    await told.until(2)
    assert told.values == [[], []]
    (failure,) = failures
    assert failure["message"] == "The callback of a workers request failed"
    assert isinstance(failure["exception"], ValueError)


async def test_a_callback_may_send_a_request_at_once(session: ServerSession) -> None:
    told = Told()

    def ask_again(value: Any) -> None:
        told(value)
        session.writer.add(ask(), told)

    for _ in range(3):
        session.writer.add(ask(), ask_again)
    await told.until(6)
    assert told.values == [[]] * 6


async def test_a_callback_may_send_a_request_during_an_outage(
    session: ServerSession, redis_server: RedisServer
) -> None:
    told = Told()

    def ask_again(value: Any) -> None:
        told(value)
        if len(told.values) < 6:
            session.writer.add(ask(), ask_again)

    redis_server.stop()
    for _ in range(3):
        session.writer.add(ask(), ask_again)
    await told.until(3)
    redis_server.start()
    await told.until(6)
    assert isinstance(told.values[0], Exception)
    assert await asyncio.wait_for(session.call(ask()), TIMEOUT) == []


async def test_requests_that_nobody_waits_for_are_not_written(
    session: ServerSession, layer: RedisChannelLayer
) -> None:
    told = Told()
    session.writer.add(ask(), told)  # in flight, so that the next waits
    waiting = asyncio.create_task(layer.send("a-channel", {"text": "hi"}))
    await asyncio.sleep(0)
    waiting.cancel()
    await told.until(1)
    await session.call(ask())
    assert await asyncio.to_thread(layer.length, "a-channel") == 0


async def test_every_request_is_answered_once_when_the_session_ends(session: ServerSession) -> None:
    told = Told()
    for _ in range(3):
        session.writer.add(ask(), told)
    await session.stop()
    assert len(told.values) == 3
    assert all(value == [] or isinstance(value, LayerUnavailable) for value in told.values)
    with pytest.raises(LayerUnavailable):
        session.writer.add(ask(), told)


class Publisher:
    """Publishes messages of connections of one server. `told` gets results, as they come."""

    def __init__(self, layer: RedisChannelLayer) -> None:
        self.layer = layer
        self.told: dict[str, Any] = {}
        self._all = Told()

    def publish(self, name: str, order: Any = 0, payload: Any = b"\x80") -> None:
        def note(result: Any, key: str = f"{name} {order}") -> None:
            self.told[key] = result
            self._all(result)

        assert self.layer._server is not None
        reply = f"{self.layer._server.id}!{name}"
        self.layer.start_publish("websocket.connect", reply, order, payload, b"\x80", note)

    async def until(self, count: int) -> dict[str, Any]:
        await self._all.until(count)
        return self.told


@pytest.fixture
async def publisher(session: ServerSession, layer: RedisChannelLayer) -> Publisher:
    publisher = Publisher(layer)
    publisher.publish("first")
    await publisher.until(1)  # Redis knows the script from now on
    return publisher


def calls(redis_server: RedisServer) -> int:
    with redis_server.client() as client:
        return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])


async def test_publishes_that_wait_together_share_a_call(
    publisher: Publisher, redis_server: RedisServer
) -> None:
    before = calls(redis_server)
    for number in range(250):
        publisher.publish(str(number))
    told = await publisher.until(251)
    assert set(told.values()) == {Published.PUBLISHED}
    # The first goes alone, at once; the others in calls of up to 100. One heartbeat may come.
    assert 4 <= calls(redis_server) - before <= 5


async def test_large_publishes_share_a_call_only_up_to_a_size(
    publisher: Publisher, redis_server: RedisServer
) -> None:
    before = calls(redis_server)
    for number in range(9):
        publisher.publish(str(number), payload=b"x" * (MOST_BYTES // 2 - 1))
    told = await publisher.until(10)
    assert set(told.values()) == {Published.PUBLISHED}
    assert 5 <= calls(redis_server) - before <= 6  # one alone, then two in each; a heartbeat


async def test_each_publish_of_a_call_has_its_own_result(
    publisher: Publisher, layer: RedisChannelLayer
) -> None:
    for name in ("alone", "a", "first", "b"):
        publisher.publish(name)
    told = await publisher.until(5)
    assert told.pop("first 0") is Published.REPEATED
    assert told == dict.fromkeys(("alone 0", "a 0", "b 0"), Published.PUBLISHED)
    assert await asyncio.to_thread(layer.length, "websocket.connect") == 4


async def test_a_publish_that_fails_fails_alone(
    publisher: Publisher, layer: RedisChannelLayer
) -> None:
    for name, order in (("alone", 0), ("a", 0), ("first", "no number"), ("b", 0)):
        publisher.publish(name, order)
    told = await publisher.until(5)
    assert isinstance(told.pop("first no number"), Exception)
    # The call had published the first of them before it failed.
    assert told["a 0"] is Published.REPEATED
    assert told["b 0"] is Published.PUBLISHED
    assert await asyncio.to_thread(layer.length, "websocket.connect") == 4


async def test_one_heartbeat_disproves_all_doubts_of_a_write(
    publisher: Publisher, layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    assert layer._server is not None
    server = layer._server.id
    for number in range(8):
        publisher.publish(str(number))
    await publisher.until(9)
    before = layer.admin.processes()[server]
    with redis_server.client() as client:
        client.delete(layer.client.key(f"connections:{server}"))
    for number in range(8):
        publisher.publish(str(number), 1)
    publisher.publish("another")
    told = await publisher.until(18)
    assert told["another 0"] in (
        Published.PUBLISHED,
        Published.REPEATED,
    )
    assert await asyncio.to_thread(layer.length, "websocket.connect") == 10
    assert {told[f"{number} 1"] for number in range(8)} == {Published.GONE}
    # A session and its thread heartbeat once a second each.
    assert layer.admin.processes()[server] - before <= 8
