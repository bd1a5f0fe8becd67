"""Two interface servers on Redis, without sticky sessions: each request goes to the other one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.interface.application import Interface
from channels_workers.interface.transports import relay as module
from channels_workers.interface.transports import server, socket
from channels_workers.interface.transports.ids import of_text
from channels_workers.interface.transports.refusals import Busy, Stopping
from channels_workers.interface.transports.relay import Relay
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.routing import Router, route
from channels_workers.worker.group import WorkerGroup
from labs.harness.redis_server import RedisServer
from tests.channels_workers.interface.test_application import Consumers
from tests.channels_workers.interface.transports.browser import Browser, Event

TIMEOUT = 60

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"FALLBACKS": True, "HANDSHAKE_TIMEOUT": 60}


class Site:
    """Two servers and a worker."""

    def __init__(self, redis_server: RedisServer) -> None:
        def layer(**config: Any) -> RedisChannelLayer:
            return RedisChannelLayer(hosts=[redis_server.url], **config)

        self.consumers = Consumers()
        # Answers between servers must fit into messages, so some go in parts.
        self.layers = [layer(message_size=8_192) for _ in range(3)]
        self.servers = [self._serve(each) for each in self.layers[1:]]
        names = ("connect", "receive", "disconnect")
        routes = [route(f"websocket.{name}", getattr(self.consumers, name)) for name in names]
        self.worker = WorkerGroup(self.layers[0], n_threads=2, router=Router(routes))
        self.worker.start()

    def _serve(self, layer: WorkerLayer) -> Interface:
        async def http(scope: Event, receive: object, send: object) -> None:
            raise AssertionError("no page is asked for")

        return Interface(http, lambda: layer)

    async def stop(self) -> None:
        self.worker.stop()
        assert await asyncio.to_thread(self.worker.join, TIMEOUT)
        for each in self.servers:
            await each.transports.settle()
        for layer in self.layers:
            await layer.retire_server()
            layer.disconnect()


@pytest.fixture
async def site(redis_server: RedisServer) -> AsyncIterator[Site]:
    made = Site(redis_server)
    yield made
    await made.stop()


async def test_requests_to_either_server_reach_the_socket(site: Site) -> None:
    browser = await Browser(*site.servers).open()
    assert [len(server.sockets.known) for server in site.servers] == [1, 0]
    frames = [f"{number}" for number in range(30)]
    for at in range(0, 30, 3):
        await browser.send(*frames[at : at + 3])
    assert await browser.texts(30) == frames
    stream = None
    for _ in range(2):  # of its own server, and of the other one
        stream = browser.streaming()
        await stream.until(lambda seen=stream: seen.body)
        await browser.send(f"by a stream {browser.sent}")
        await stream.until(lambda seen=stream: seen.batches)
        browser.after += 1
        stream.leave()
        await stream.answer()
    await browser.close(3001)
    await site.consumers.until(lambda: site.consumers.ends == [(3001, 32)])


async def test_large_frames_go_in_parts(site: Site) -> None:
    browser = await Browser(*site.servers).open()
    browser.turn = 1  # from now on to the other one, twice
    frames = ["x" * 7_000, "ü" * 2_000, "y" * 7_000]
    assert await browser.send(*frames) == 3
    found: list[str] = []
    while len(found) < 3:
        browser.turn = 1
        found += (await browser.poll())["frames"]
    assert found == frames
    browser.turn = 1
    status, _ = await browser.ask("send", {"id": browser.id, "first": 4, "frames": ["x" * 9_000]})
    assert status == 413
    await browser.close()


async def test_a_relayed_stream_ends_with_the_close(site: Site) -> None:
    browser = await Browser(*site.servers).open()
    stream = browser.streaming()
    await stream.until(lambda: stream.body)
    await browser.send("close")
    await asyncio.wait_for(stream.task, TIMEOUT)
    last = stream.batches[-1]
    assert last["close"] == {"code": 4321, "reason": ""}
    assert [frame for batch in stream.batches for frame in batch["frames"]] == ["bye"]


async def test_a_relayed_reader_is_replaced_by_one_at_home(site: Site) -> None:
    browser = await Browser(*site.servers).open()
    relayed = browser.streaming()
    await relayed.until(lambda: relayed.body)
    local = browser.streaming()
    await asyncio.wait_for(relayed.task, TIMEOUT)
    await browser.send("x")
    await local.until(lambda: local.batches)
    assert relayed.batches == []
    await browser.close()


async def test_a_server_that_is_gone_is_410(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_TIME", 0.3)
    monkeypatch.setattr(server, "WAIT", 0.3)
    browser = await Browser(*site.servers).open()
    stream = browser.streaming()
    await stream.until(lambda: stream.body)
    await site.servers[0].transports.settle()  # it answers nobody any more
    sent = {"id": browser.id, "first": 1, "frames": ["x"]}
    browser.turn = 1
    assert (await browser.ask("send", sent))[0] == 503  # it may be slow
    await asyncio.wait_for(stream.task, TIMEOUT)
    await site.layers[1].retire_server()
    browser.turn = 1
    assert (await browser.ask("send", sent))[0] == 410


async def test_a_server_that_stops_ends_streams_that_it_relays(site: Site) -> None:
    browser = await Browser(*site.servers).open()
    relayed = browser.streaming()
    await relayed.until(lambda: relayed.body)
    await site.servers[1].stop()
    await asyncio.wait_for(relayed.task, TIMEOUT)
    assert relayed.batches == []  # the socket lives: its client asks another server
    browser.turn = 0
    await browser.send("x")
    browser.turn = 0
    assert (await browser.poll())["frames"] == ["x"]
    browser.turn = 0
    await browser.close()


async def test_a_home_that_stops_tells_clients_of_other_servers(site: Site) -> None:
    browser = await Browser(*site.servers).open()
    relayed = browser.streaming()
    await relayed.until(lambda: relayed.body)
    await site.servers[0].stop()
    await asyncio.wait_for(relayed.task, TIMEOUT)
    assert [batch["close"]["code"] for batch in relayed.batches] == [4013]
    await site.consumers.until(lambda: site.consumers.ends == [(4013, 0)])


async def reopened(*servers: Interface) -> Browser:
    """A socket, once there is one again."""
    browser = Browser(*servers)
    while (answer := await browser.ask("open", {}))[0] != 200:
        browser.turn = 0
    browser.id = answer[1]["id"]
    return browser


def home_of(browser: Browser) -> str:
    found = of_text(browser.id, "/room/")
    assert found is not None
    return found.home


async def test_a_new_mailbox_follows_an_eviction(site: Site) -> None:
    old = await Browser(*site.servers).open()
    home = site.servers[0]
    layer = site.layers[1]
    admin = layer.admin
    assert layer._server is not None
    name = layer._server.id
    async with asyncio.timeout(TIMEOUT):
        counter = 0
        while not await asyncio.to_thread(admin.mark_dead, name, counter):
            counter = (await asyncio.to_thread(admin.processes))[name]
    await site.consumers.until(lambda: site.consumers.ends)
    async with asyncio.timeout(TIMEOUT):
        while home_of(new := await reopened(home, site.servers[1])) == home_of(old):
            await new.close()
    await new.send("x")
    assert await new.texts(1) == ["x"]
    await new.close()


async def test_without_redis_clients_are_told_to_come_later(
    site: Site, redis_server: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "FIRST_POLL", TIMEOUT)  # Redis may be away for longer
    times = {"SEND_TIMEOUT": 0.2, "FALLBACK_TIMEOUT": TIMEOUT}
    settings.CHANNEL_WORKERS = {"FALLBACKS": True, **times}
    browser = await Browser(*site.servers).open()
    redis_server.stop()
    browser.turn = 1
    asked = browser.begin("send", {"id": browser.id, "first": 1, "frames": ["x"]})
    assert await asked.answer() == (503, {"error": "later"})
    assert asked.headers[b"retry-after"] == b"1"
    redis_server.start()
    sent = {"id": browser.id, "first": 1, "frames": ["x"]}
    answer = await asked.answer()
    async with asyncio.timeout(TIMEOUT):
        while answer[0] == 503:
            browser.turn = 1
            answer = await browser.ask("send", sent)
    assert answer == (200, {"received": 1})  # the socket lives, although Redis lost all data
    assert await browser.texts(1) == ["x"]
    await browser.close()


async def test_bounds_of_what_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = site.servers[0].transports._relay
    monkeypatch.setattr(module, "ASKED", 0)
    with pytest.raises(Busy):
        await relay.ask("server!x", {})
    relay.stop()
    with pytest.raises(Stopping):
        await relay.ask("server!x", {})


async def test_what_another_release_asks_harms_nobody(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await Browser(*site.servers).open()
    found = of_text(browser.id, "/room/")
    assert found is not None
    kind = {"type": module.KIND}
    for content in (
        {"type": "other"},
        kind,
        {**kind, "asked": {"do": "unknown", "key": found.key}, "back": found.home, "number": -1},
        {**kind, "asked": {"do": "poll", "key": found.key}, "back": found.home, "number": 1},
        {**kind, "answers": 10**9, "answer": {}},
        {**kind, "answers": 1},
    ):
        await site.layers[2].send(found.home, content)
    await browser.send("x")
    assert await browser.texts(1) == ["x"]
    events = [getattr(record, "event", "") for record in caplog.records]
    assert events.count("transport_failed") == 1
    await browser.close()


async def test_a_layer_that_does_not_answer_refuses_a_handshake(
    settings: Settings, redis_server: RedisServer
) -> None:
    settings.CHANNEL_WORKERS = {"FALLBACKS": True, "HANDSHAKE_TIMEOUT": 0.2}
    layer = RedisChannelLayer(hosts=["redis://127.0.0.1:1"])

    async def http(scope: Event, receive: object, send: object) -> None:
        raise AssertionError("no page is asked for")

    assert (await Browser(Interface(http, lambda: layer)).ask("open", {}))[0] == 503
    layer.disconnect()


async def test_a_relay_of_a_layer_in_memory_has_no_mailbox() -> None:
    async def answer(asked: Any) -> Any:
        raise AssertionError(asked)

    assert await Relay(InMemoryChannelLayer, answer).name() == ""
