"""Sockets over HTTP in the interface application, with real workers on the memory layer."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from channels_workers.interface.application import Interface
from channels_workers.interface.transports import reading
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.security.websockets import configured_origins_only
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.interface.test_application import Client, Consumers
from tests.channels_workers.interface.transports.browser import Asked, Browser, Event

TIMEOUT = 60

# Signals around a consumer clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workers")]


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> dict[str, object]:
    """The setting, with fallbacks on."""
    settings.CHANNEL_WORKERS = {"FALLBACKS": True}
    return set_limits(settings)


def set_limits(settings: Settings, **limits: object) -> dict[str, object]:
    settings.CHANNEL_WORKERS = {"FALLBACKS": True, **limits}
    found: dict[str, object] = settings.CHANNEL_WORKERS
    return found


@pytest.fixture
async def consumers() -> Consumers:
    return Consumers()


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


@pytest.fixture
def workers(layer: InMemoryChannelLayer, consumers: Consumers) -> Iterator[WorkerGroup]:
    @configured_origins_only
    def guarded(message: Message) -> None:
        consumers.connect(message)

    def flood(message: Message) -> None:
        for _ in range(int(message["text"])):
            message.reply_channel.send({"text": "x" * 1_000})

    routes = [
        route("websocket.connect", guarded, path="^/guarded/"),
        route("websocket.connect", consumers.connect),
        route("websocket.receive", flood, path="^/flood/"),
        route("websocket.receive", consumers.receive),
        route("websocket.disconnect", consumers.disconnect),
    ]
    group = WorkerGroup(layer, n_threads=3, router=Router(routes))
    group.start()
    yield group
    group.stop()
    assert group.join(TIMEOUT)


@pytest.fixture
def application(layer: InMemoryChannelLayer) -> Interface:
    async def http(scope: Event, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    return Interface(http, lambda: layer)


async def test_sockets_of_both_kinds_hear_each_other(
    application: Interface, consumers: Consumers
) -> None:
    socket, browser = await Client(application).accepted(), await Browser(application).open()
    socket.send("from the socket")
    await socket.until(lambda: socket.texts == ["from the socket"])
    assert await browser.texts(1) == ["from the socket"]
    assert await browser.send("by HTTP") == 1
    await socket.until(lambda: socket.texts[1:] == ["by HTTP"])
    assert await browser.texts(1) == ["by HTTP"]
    assert (await browser.close(3001))[0] == 200
    await consumers.until(lambda: ("disconnect", (3001, 1)) in consumers.seen)
    socket.leave()
    await socket.ended()


async def test_it_does_not_matter_who_answers_pages(
    application: Interface, settings: Settings
) -> None:
    set_limits(settings, HTTP="workers")
    browser = await Browser(application).open()
    await browser.send("x")
    assert await browser.texts(1) == ["x"]
    await browser.close()


async def test_a_stream_has_what_proxies_need(
    application: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "COMMENT_INTERVAL", 0.05)
    browser = await Browser(application).open()
    stream = browser.streaming()
    await stream.until(lambda: stream.body.count(b":\n\n") >= 2)
    assert stream.body.startswith(b": begins\n\n")
    assert stream.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert stream.headers[b"x-accel-buffering"] == b"no"
    assert stream.headers[b"cache-control"] == b"no-store, no-transform"
    await browser.send("one", "two")
    await stream.until(lambda: sum(len(each["frames"]) for each in stream.batches) == 2)
    assert b"\nid: 2\n" in stream.body.replace(b"\n\n", b"\n") or b"id: 2\n" in stream.body
    stream.leave()
    await stream.answer()
    again = browser.streaming()  # it does not confirm them, so they come again
    await again.until(lambda: again.batches)
    assert again.batches == [{"first": 1, "frames": ["one", "two"]}]
    await browser.close()
    await again.answer()


async def test_a_poll_is_answered_in_time_without_frames(
    application: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "POLL_TIME", 0.05)
    browser = await Browser(application).open()
    assert await browser.poll() == {"first": 1, "frames": []}
    await browser.close()


async def test_a_request_that_is_replaced(application: Interface) -> None:
    browser = await Browser(application).open()
    stream, poll = browser.streaming(), None
    await stream.until(lambda: stream.body)
    poll = browser.polling()
    await asyncio.wait_for(stream.task, TIMEOUT)
    later = browser.polling()
    assert (await poll.answer())[0] == 409
    await browser.send("x")
    assert (await later.answer())[1]["frames"] == ["x"]
    await browser.close()


async def test_the_close_of_a_consumer(application: Interface, consumers: Consumers) -> None:
    browser = await Browser(application).open()
    await browser.send("close")
    batch = await browser.poll()
    assert (batch["frames"], batch["close"]) == (["bye"], {"code": 4321, "reason": ""})
    await consumers.until(lambda: consumers.ends == [(4321, 1)])
    # Its answer may be lost, so it may be asked for again for a while.
    assert (await browser.poll())["close"]["code"] == 4321
    assert (await browser.ask("send", {"id": browser.id, "first": 2, "frames": []}))[0] == 410


async def test_a_refused_handshake(application: Interface, consumers: Consumers) -> None:
    status, content = await Browser(application, path="/denied").ask("open", {})
    assert (status, content) == (403, {"error": "refused"})
    await consumers.until(lambda: len(consumers.seen) == 2)


async def test_a_client_that_leaves_during_the_handshake(
    application: Interface, consumers: Consumers
) -> None:
    with consumers.held():
        asked = Browser(application, path="/waits").begin("open", {})
        await consumers.until(lambda: consumers.seen)
        asked.leave()
        await asyncio.wait_for(asked.task, TIMEOUT)
    await consumers.until(lambda: consumers.ends == [(1006, 0)])


async def test_no_request_for_a_while_ends_it(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    set_limits(settings, FALLBACK_TIMEOUT=0.2)
    browser = await Browser(application).open()
    await consumers.until(lambda: consumers.ends == [(1006, 0)])
    assert (await browser.ask("receive", {"id": browser.id, "after": 0, "by": "poll"}))[0] == 410


async def test_a_request_that_waits_when_the_socket_is_cut(
    application: Interface, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await Browser(application).open()
    polling = browser.polling()
    await asyncio.sleep(0.01)
    (socket,) = application.sockets.known
    socket._overflow()
    assert (await polling.answer())[0] == 410
    assert "request_refused" not in [getattr(each, "event", "") for each in caplog.records]


async def test_a_server_that_stops_closes_it(application: Interface, consumers: Consumers) -> None:
    stream_of, poll_of = await Browser(application).open(), await Browser(application).open()
    stream, poll = stream_of.streaming(), poll_of.polling()
    await stream.until(lambda: stream.body)
    await application.stop(0.05)
    await asyncio.wait_for(stream.task, TIMEOUT)
    close = {"code": 4013, "reason": "retry-after: 1"}
    assert stream.batches == [{"first": 1, "frames": [], "close": close}]
    assert (await poll.answer())[1]["close"] == close
    await consumers.until(lambda: consumers.ends == [(4013, 0)] * 2)
    assert (await Browser(application).ask("open", {}))[0] in {403, 503}


# Security


async def test_it_is_off_by_default(application: Interface, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    assert (await Browser(application).ask("open", {}))[0] == 204  # the answer of a page


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "HEAD"])
async def test_other_methods_go_to_pages(application: Interface, method: str) -> None:
    asked = Asked(application, "/room/", "open", {}, method=method)
    assert (await asked.answer())[0] == 204


async def test_no_simple_request_of_another_site_is_one(application: Interface) -> None:
    """Without a preflight browsers send neither the header nor JSON, and there is no CORS here."""
    assert (await Asked(application, "/room/", None, {}).answer())[0] == 204
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        asked = Asked(application, "/room/", "open", {}, kind=kind)
        assert (await asked.answer())[0] == 415
        assert not any(name.startswith(b"access-control") for name in asked.headers)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://testserver", 200),
        (b"http://evil.example.com", 403),
        (b"null", 403),
        (None, 403),
    ],
)
async def test_the_origin_is_checked_as_for_sockets(
    application: Interface, origin: bytes | None, status: int
) -> None:
    browser = Browser(application, path="/guarded/")
    headers = [] if origin is None else [(b"origin", origin)]
    assert (await browser.ask("open", {}, headers))[0] == status


async def test_ids_that_name_no_socket(application: Interface) -> None:
    browser = await Browser(application).open()
    asked = {"id": browser.id, "after": 0, "by": "poll"}
    elsewhere = Browser(application, path="/other/")
    assert (await elsewhere.ask("receive", asked))[0] == 410
    for forged in ("x", browser.id + "x", "websocket.receive/x:y"):
        assert (await browser.ask("receive", {**asked, "id": forged}))[0] == 410
        sent = {"id": forged, "first": 1, "frames": ["x"]}
        assert (await browser.ask("send", sent))[0] == 410
        assert (await browser.ask("close", {"id": forged}))[0] == 410
    await browser.close()


async def test_numbers_that_no_client_sends(
    application: Interface, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await Browser(application).open()
    caplog.set_level(logging.WARNING)
    for after in (1, 2**53 - 1):
        asked = {"id": browser.id, "after": after, "by": "poll"}
        assert (await browser.ask("receive", asked))[0] == 400
    acked = {"id": browser.id, "first": 1, "frames": ["x"], "ack": 5}
    assert (await browser.ask("send", acked))[0] == 400
    assert (await browser.ask("unknown", {}))[0] == 400
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert line.event == "request_refused"  # type: ignore[attr-defined]
    assert browser.id not in caplog.text
    await browser.close()


# Limits


async def test_sockets_of_one_address_are_limited_together(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    set_limits(settings, CONNECTIONS_PER_ADDRESS=2)
    first, second = await Browser(application).open(), await Browser(application).open()
    asked = Browser(application).begin("open", {})
    status, content = await asked.answer()
    assert (status, content) == (429, {"error": "refused"})
    assert asked.headers[b"retry-after"] == b"60"
    other = await Browser(application, client="127.0.0.8").open()
    await first.close()
    await consumers.until(lambda: consumers.ends)
    third = await Browser(application).open()
    for each in (second, third, other):
        await each.close()


async def test_handshakes_under_way_are_limited(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    set_limits(settings, HANDSHAKES_AT_ONCE=1)
    with application.traffic.admission.opens():
        asked = Browser(application).begin("open", {})
        assert await asked.answer() == (503, {"error": "refused"})
    assert asked.headers[b"retry-after"] == b"1"
    browser = await Browser(application).open()
    await browser.close()
    await consumers.until(lambda: consumers.ends)


async def test_sockets_of_a_server_are_limited(
    application: Interface,
    consumers: Consumers,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_limits(settings, FALLBACK_SOCKETS=1)
    browser = await Browser(application).open()
    for _ in range(2):
        asked = Browser(application).begin("open", {})
        assert await asked.answer() == (503, {"error": "later"})
        assert asked.headers[b"retry-after"] == b"1"
    assert caplog.text.count("FALLBACK_SOCKETS. Run more servers") == 1
    await browser.close()
    await consumers.until(lambda: consumers.ends)
    await (await Browser(application).open()).close()


async def test_requests_of_one_address_are_limited_but_not_those_that_wait_for_frames(
    application: Interface, settings: Settings, consumers: Consumers
) -> None:
    set_limits(settings, REQUESTS_PER_ADDRESS=1)
    browsers = [await Browser(application).open() for _ in range(3)]
    waiting = [browser.streaming() for browser in browsers[:1]]
    await waiting[0].until(lambda: waiting[0].body)
    for browser in browsers[1:]:
        polling = browser.polling()
        await asyncio.sleep(0.01)
        assert not polling.task.done()
        waiting.append(polling)
    assert await browsers[0].send("x") == 1
    for each in waiting[1:]:
        assert (await each.answer())[1]["frames"] == ["x"]
    with consumers.held():
        opening = Browser(application, path="/waits").begin("open", {})
        await consumers.until(lambda: ("connect", "/waits") in consumers.seen)
        assert (await Browser(application).ask("open", {}))[0] == 429
    await opening.answer()
    for browser in browsers:
        await browser.close()


async def test_a_body_that_comes_slowly_is_given_up(
    application: Interface, settings: Settings
) -> None:
    set_limits(settings, REQUEST_BODY_TIMEOUT=0.05)
    asked = Asked(application, "/room/", "open", {}, is_whole=False)
    assert (await asked.answer())[0] == 408


async def test_a_frame_that_is_too_large_closes_it(
    application: Interface, settings: Settings
) -> None:
    set_limits(settings, FRAME_SIZE=100)
    browser = await Browser(application).open()
    assert await browser.send("x" * 101) == 1
    assert (await browser.poll())["close"]["code"] == 4009


async def test_a_client_that_sends_faster_than_workers_take_is_told_to_wait(
    application: Interface,
    consumers: Consumers,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("channels_workers.interface.transports.socket.PUSH_TIME", 0.2)
    set_limits(settings, READ_AHEAD=10_000)
    browser = await Browser(application).open()
    with consumers.held():
        taken = await browser.send(*["x" * 100] * 500)
        assert 0 < taken < 100
        assert await browser.send("y") == taken  # nothing more
        (socket,) = application.sockets.known
        assert socket.protocol.pending.cost < 30_000
    async with asyncio.timeout(TIMEOUT):
        while browser.sent < 501:
            await browser.send(*(["x" * 100] * 500)[browser.sent :], "y")
            await browser.poll()
    await consumers.until(lambda: ("receive", "y") in consumers.seen)
    texts = [value for what, value in consumers.seen if what == "receive"]
    assert texts == ["x" * 100] * 500 + ["y"]
    await browser.close()


@pytest.mark.parametrize("confirms", [False, True])
async def test_a_client_that_reads_nothing_is_cut(
    application: Interface, consumers: Consumers, settings: Settings, confirms: bool
) -> None:
    set_limits(settings, REPLY_BYTES_WAITING=200_000)
    browser = await Browser(application, path="/flood/").open()
    if confirms:
        polling = browser.polling()  # and then it asks for nothing more
    await browser.send("500")
    await consumers.until(lambda: consumers.ends == [(4010, 0)])
    if confirms:
        await polling.answer()
    asked = {"id": browser.id, "after": 0, "by": "poll"}
    assert (await browser.ask("receive", asked))[0] == 410


async def test_a_client_that_reads_gets_all(application: Interface, settings: Settings) -> None:
    set_limits(settings, REPLY_BYTES_WAITING=2_000_000)
    browser = await Browser(application, path="/flood/").open()
    await browser.send("1000")
    assert await browser.texts(1_000) == ["x" * 1_000] * 1_000
    await browser.close()


async def test_thousands_of_sockets_that_nobody_reads_end(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    set_limits(settings, FALLBACK_TIMEOUT=3.0)
    for _ in range(20):
        await asyncio.gather(*(Browser(application).open() for _ in range(25)))
    await consumers.until(lambda: len(consumers.ends) == 500)
    assert application.transports._homes.known == {}
    assert application.sockets.known == set()
