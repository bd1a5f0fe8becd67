"""HTTP requests by workers on the memory layer: the test takes the part of the workers."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.exceptions import LayerUnavailable, ServerEvicted
from channels_workers.flow import CHUNK, INLINE_BODY
from channels_workers.interface import application as interface_application
from channels_workers.interface.application import Interface
from channels_workers.interface.http import request as module
from channels_workers.interface.http.request import Request
from channels_workers.interface.http.responses import STREAM_BYTES
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import (
    REQUEST,
    REQUEST_DISCONNECT,
    Closed,
    Committed,
    Delivery,
    Finished,
    GroupSend,
    Join,
    Operation,
    Published,
    ReplyKind,
    Send,
    kind_of,
)

TIMEOUT = 60
WORKER = "worker.1"
EVENTS = {"status": 200, "headers": [["content-type", "text/event-stream"]], "more_content": True}
PAGE = {"status": 200, "content": b"hi"}

Event = dict[str, Any]


class Client:
    """A client as an ASGI server shows it to the application. `events` are what it was sent."""

    def __init__(
        self,
        application: Interface,
        path: str = "/",
        method: str = "GET",
        body: bytes = b"",
        *,
        is_complete: bool = True,
        accepts: bytes = b"*/*",
    ) -> None:
        self.incoming: asyncio.Queue[Event] = asyncio.Queue()
        self.events: list[Event] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.changed = asyncio.Condition()
        self.fails = False
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(b"host", b"example.com"), (b"accept", accepts)],
            "query_string": b"a=1",
            "client": ("10.0.0.1", 5),
        }
        first = {"type": "http.request", "body": body, "more_body": not is_complete}
        self.incoming.put_nowait(first)
        self.task = asyncio.create_task(application(scope, self.incoming.get, self.take))

    async def take(self, event: Event) -> None:
        await self.reads.wait()
        if self.fails:
            raise OSError("The connection is lost.")
        self.events.append(event)
        async with self.changed:
            self.changed.notify_all()

    def leave(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT), self.changed:
            await self.changed.wait_for(condition)

    async def ended(self) -> "Client":
        await asyncio.wait_for(asyncio.shield(self.task), TIMEOUT)
        return self

    @property
    def status(self) -> int | None:
        return self.events[0]["status"] if self.events else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.events[0]["headers"])

    @property
    def data(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.events)

    @property
    def is_complete(self) -> bool:
        return bool(self.events and self.events[-1].get("more_body") is False)


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop go on until the condition holds."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Workers:
    """What workers do to the layer."""

    def __init__(self, layer: InMemoryChannelLayer) -> None:
        self.layer = layer

    async def take(self, channel: str = REQUEST) -> Delivery:
        """The next message."""
        found: list[Delivery] = []

        def pulls() -> bool:
            found.extend(self.layer.pull([channel], WORKER, 0))
            return bool(found)

        await until(pulls)
        return found[0]

    def sends(self, delivery: Delivery, *contents: Content) -> list[Operation]:
        assert delivery.reply_channel
        encode = self.layer.codec.encode
        return [Send(delivery.reply_channel, encode(content)) for content in contents]

    def send(self, delivery: Delivery, *contents: Content) -> None:
        """Send at once."""
        self.layer.apply(self.sends(delivery, *contents))

    def finish(
        self, delivery: Delivery, *contents: Content, group: str = "", ends: bool = False
    ) -> None:
        """Commit, with replies; join a group before them."""
        assert delivery.reply_channel
        joins: list[Operation] = [Join(group, delivery.reply_channel)] if group else []
        operations = [*joins, *self.sends(delivery, *contents)]
        assert self.layer.commit(Finished(delivery, operations, None, ends)) is Committed.DONE

    def send_to(self, group: str, content: Content) -> None:
        self.layer.apply([GroupSend(group, self.layer.codec.encode(content))])

    async def hear(self, delivery: Delivery) -> Content:
        """What the server tells the consumer."""
        assert delivery.reply_channel
        told: list[bytes] = []

        def listens() -> bool:
            if (payload := self.layer.listen(delivery.reply_channel or "", 0)) is not None:
                told.append(payload)
            return bool(told)

        await until(listens)
        return self.layer.codec.decode(told[0])

    def length(self, channel: str = REQUEST) -> int:
        return self.layer.length(channel)


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Callable[..., None]:
    """Changes limits of servers whose HTTP goes to workers."""

    def change(**values: Any) -> None:
        settings.CHANNEL_WORKERS = {"HTTP": "workers", **values}

    change()
    return change


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


@pytest.fixture
def workers(layer: InMemoryChannelLayer) -> Workers:
    return Workers(layer)


@pytest.fixture
def application(layer: InMemoryChannelLayer) -> Iterator[Interface]:
    async def http(scope: Event, receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    application = Interface(http, lambda: layer)
    yield application
    assert not application.by_workers.known, "The layer was not told of the end of a request."
    assert application.http.bodies.kept == 0
    assert application.http.answers.queued == 0


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Any]]:
    """The events of all warnings and errors until now."""

    def events() -> list[Any]:
        loud = [record for record in caplog.records if record.levelno >= logging.WARNING]
        return [vars(record)["event"] for record in loud]

    return events


def records(layer: InMemoryChannelLayer) -> list[str]:
    return list(layer.store.records)


# Requests and responses


async def test_a_page(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    client = Client(application, "/a/", "POST", b"x=1")
    delivery = await workers.take()
    content = layer.codec.decode(delivery.payload)
    assert (content["method"], content["path"], content["body"]) == ("POST", "/a/", b"x=1")
    assert (content["body_channel"], content["body_size"]) == (None, 3)
    assert content["client"] == ["10.0.0.1", 5]
    assert delivery.order == 0
    cookies = [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]
    workers.finish(delivery, {**PAGE, "headers": cookies}, ends=True)
    await client.ended()
    assert (client.status, client.data, client.is_complete) == (200, b"hi", True)
    assert client.events[0]["headers"] == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert workers.length(REQUEST_DISCONNECT) == 0
    assert records(layer) == []


async def test_nothing_remains_of_a_request_that_ends_before_it_counts_as_published(
    application: Interface,
    workers: Workers,
    layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_publish, answers = layer.start_publish, []

    def start_late(*message: Any) -> None:  # the answer of the layer comes on another connection
        *first, done = message
        start_publish(*first, lambda published: answers.append(lambda: done(published)))

    monkeypatch.setattr(layer, "start_publish", start_late)
    client = Client(application)
    workers.finish(await workers.take(), PAGE, ends=True)
    assert (await client.ended()).status == 200
    answers[0]()
    await until(lambda: not application.by_workers.known)
    assert layer._server
    assert layer._server.connections == {}


async def test_nothing_remains_of_a_request(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    for ends in (True, False):
        client = Client(application)
        workers.finish(await workers.take(), PAGE, ends=ends)
        await client.ended()
    workers.finish(await workers.take(REQUEST_DISCONNECT))
    await until(lambda: not application.by_workers.known)
    del client
    await until(lambda: not requests_in_memory())


def requests_in_memory() -> list[Request]:
    gc.collect()
    return [each for each in gc.get_objects() if type(each) is Request]


@pytest.mark.parametrize(
    ("method", "kind"),
    [("GET", ReplyKind.SAFE), ("HEAD", ReplyKind.SAFE), ("POST", ReplyKind.ONCE)],
)
async def test_the_layer_knows_which_requests_are_safe(
    method: str, kind: ReplyKind, application: Interface, workers: Workers
) -> None:
    client = Client(application, method=method)
    delivery = await workers.take()
    assert kind_of(delivery.reply_channel or "") is kind
    workers.finish(delivery, PAGE, ends=True)
    await client.ended()


async def test_a_request_ends_with_its_disconnect(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    client = Client(application, "/a/")
    workers.finish(await workers.take(), PAGE)
    await client.ended()
    last = await workers.take(REQUEST_DISCONNECT)
    assert layer.codec.decode(last.payload)["path"] == "/a/"
    workers.finish(last)
    assert records(layer) == []


async def test_paths_are_divided(
    application: Interface, workers: Workers, limits: Callable[..., None]
) -> None:
    limits(HTTP={"/": "interface", "/poll/": "workers"}, HEALTH_PATH="/poll/healthz")
    page = await Client(application, "/polls/").ended()
    assert (page.status, page.data) == (299, b"/polls/")
    probe = await Client(application, "/poll/healthz").ended()
    assert probe.status == 200
    client = Client(application, "/poll/now/")
    workers.finish(await workers.take(), PAGE, ends=True)
    await client.ended()
    assert client.status == 200


async def test_the_script_name_is_no_part_of_the_prefix(
    application: Interface, workers: Workers, limits: Callable[..., None], settings: Settings
) -> None:
    limits(HTTP={"/": "interface", "/poll/": "workers"})
    settings.FORCE_SCRIPT_NAME = "/site"
    client = Client(application, "/site/poll/")
    workers.finish(await workers.take(), PAGE, ends=True)
    await client.ended()
    assert (await Client(application, "/site/other/").ended()).status == 299


async def test_a_long_poll(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    clients = [Client(application, f"/{number}/") for number in range(3)]
    for _ in clients:
        workers.finish(await workers.take(), group="news")
    workers.send_to("news", {"status": 200, "content": b"news"})
    for client in clients:
        await client.ended()
        assert (client.status, client.data) == (200, b"news")
        workers.finish(await workers.take(REQUEST_DISCONNECT))
    assert records(layer) == []
    assert layer.group_channels("news") == set()


async def test_an_event_stream_is_kept_alive(
    application: Interface, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_ALIVE_INTERVAL", 0.01)
    client = Client(application)
    workers.finish(await workers.take(), EVENTS, group="news")
    workers.send_to("news", {"content": b"data: 1\n\n", "more_content": True})
    await client.until(lambda: client.data.count(b":\n\n") > 1)
    assert client.data.replace(b":\n\n", b"") == b"data: 1\n\n"
    workers.send_to("news", {"content": b"data: 2\n\n"})
    await client.ended()
    assert client.is_complete


# Bodies


async def test_a_large_body_is_told_in_pieces(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    body = bytes(range(256)) * 2800
    client = Client(application, method="PUT", body=body)
    delivery = await workers.take()
    content = layer.codec.decode(delivery.payload)
    assert content["body"] == body[:INLINE_BODY]
    assert content["body_channel"] == f"{delivery.reply_channel}.body"
    assert content["body_size"] == len(body)
    read = content["body"]
    while len(read) < len(body):
        workers.send(delivery, {"read_body": [len(read), 300_000], "run": "one"})
        end = min(len(body), len(read) + 300_000)
        while len(read) < end:
            told = await workers.hear(delivery)
            assert told["at"] == len(read)
            assert 0 < len(told["body"]) <= CHUNK
            read += told["body"]
    assert read == body
    workers.finish(delivery, PAGE, ends=True)
    assert (await client.ended()).data == b"hi"


async def test_a_body_can_be_read_again(application: Interface, workers: Workers) -> None:
    body = b"x" * INLINE_BODY + b"rest"
    client = Client(application, body=body)
    delivery = await workers.take()
    for run in ("one", "two"):
        workers.send(delivery, {"read_body": [INLINE_BODY, 1000], "run": run})
        assert await workers.hear(delivery) == {"at": INLINE_BODY, "body": b"rest"}
    workers.finish(delivery, PAGE, ends=True)
    await client.ended()


async def test_a_body_is_kept_until_its_consumer_is_finished(
    application: Interface, workers: Workers
) -> None:
    client = Client(application, method="POST", body=b"x" * 1000)
    delivery = await workers.take()
    assert application.http.bodies.kept == 1000
    workers.finish(delivery, group="news")
    await until(lambda: application.http.bodies.kept == 0)
    workers.send_to("news", PAGE)
    await client.ended()
    workers.finish(await workers.take(REQUEST_DISCONNECT))


# Flow


async def test_parts_are_told_when_the_client_has_them(
    application: Interface, workers: Workers, limits: Callable[..., None]
) -> None:
    client = Client(application)
    delivery = await workers.take()
    first = {"status": 200, "content": b"abc", "more_content": True, "run": "one", "at": 0}
    workers.send(delivery, first, first)
    for _ in (first, first):
        assert await workers.hear(delivery) == {"taken": 3}
    workers.send(delivery, {"content": b"de", "more_content": True, "run": "one", "at": 3})
    assert await workers.hear(delivery) == {"taken": 5}
    workers.finish(delivery, {"content": b"f", "run": "one", "at": 5}, ends=True)
    await client.ended()
    assert (client.data, client.is_complete) == (b"abcdef", True)


async def test_a_slow_client_gets_its_whole_page(application: Interface, workers: Workers) -> None:
    client = Client(application)
    client.reads.clear()
    workers.finish(await workers.take(), PAGE, ends=True)
    await until(lambda: not application.by_workers.known)
    client.reads.set()
    await client.ended()
    assert (client.data, client.is_complete) == (b"hi", True)


async def test_a_slow_client_holds_its_consumer_back(
    application: Interface,
    workers: Workers,
    layer: InMemoryChannelLayer,
    limits: Callable[..., None],
) -> None:
    limits(ANSWER_BYTES_WAITING=STREAM_BYTES)  # which is less than its consumer may send
    client = Client(application)
    client.reads.clear()
    delivery = await workers.take()
    for number in range(8):
        part = {"content": b"x" * CHUNK, "more_content": True, "run": "one", "at": number * CHUNK}
        workers.send(delivery, {"status": 200, **part} if not number else part)
    heard = [await workers.hear(delivery)]
    assert heard == [{"taken": CHUNK}]  # as much as may wait in the server of a stream
    await asyncio.sleep(0)
    assert layer.listen(delivery.reply_channel or "", 0) is None
    assert application.http.answers.queued > 7 * CHUNK
    client.reads.set()
    while heard[-1] != {"taken": 8 * CHUNK}:
        heard.append(await workers.hear(delivery))
    workers.finish(delivery, {"content": b"", "run": "one", "at": 8 * CHUNK}, ends=True)
    await client.ended()
    assert len(client.data) == 8 * CHUNK


async def test_a_finished_response_is_taken_from_its_consumer_at_once(
    application: Interface, workers: Workers, limits: Callable[..., None]
) -> None:
    limits(ANSWER_BYTES_WAITING=5 * CHUNK)
    client = Client(application)
    client.reads.clear()
    delivery = await workers.take()
    heard: list[int] = []
    for number in range(8):
        part = {"content": b"x" * CHUNK, "more_content": True, "run": "one", "at": number * CHUNK}
        part |= {"is_finished": True} if number else {"is_finished": True, "status": 200}
        workers.send(delivery, part)
        heard.append((await workers.hear(delivery))["taken"])
    assert heard[:4] == [CHUNK, 2 * CHUNK, 3 * CHUNK, 4 * CHUNK]
    assert all(4 * CHUNK < taken <= 5 * CHUNK for taken in heard[4:])  # as much as may wait
    asking = {"content": b"", "more_content": True, "run": "one", "is_finished": True}
    workers.send(delivery, {**asking, "at": 8 * CHUNK})
    assert 4 * CHUNK < (await workers.hear(delivery))["taken"] <= 5 * CHUNK
    client.reads.set()
    while heard[-1] != 8 * CHUNK:
        heard.append((await workers.hear(delivery))["taken"])
    workers.finish(delivery, {"content": b"y", "run": "one", "at": 8 * CHUNK}, ends=True)
    await client.ended()
    assert client.data == b"x" * 8 * CHUNK + b"y"


async def test_the_consumer_of_a_client_that_is_cut_hears_of_it(
    application: Interface, workers: Workers
) -> None:
    client = Client(application)
    client.reads.clear()
    delivery = await workers.take()
    for number in range(4):
        part = {"content": b"x" * CHUNK, "more_content": True, "run": "one", "at": number * CHUNK}
        workers.send(delivery, {"status": 200, **part} if not number else part)
    assert await workers.hear(delivery) == {"taken": CHUNK}
    [reader] = application.http.answers.readers.values()
    application.http.answers.cut(reader)
    await client.ended()
    assert await workers.hear(delivery) == {"gone": True}
    workers.finish(delivery)
    workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_a_client_that_does_not_read_its_groups_is_cut(
    application: Interface,
    workers: Workers,
    limits: Callable[..., None],
    log: Callable[[], list[Any]],
) -> None:
    limits(ANSWER_BYTES_WAITING=10_000)
    client = Client(application)
    client.reads.clear()
    workers.finish(await workers.take(), EVENTS, group="news")
    for _ in range(10):
        workers.send_to("news", {"content": b"x" * 4000, "more_content": True})
    await client.ended()
    assert log() == ["answer_cut"]
    workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_all_that_waits_is_bounded(
    application: Interface,
    workers: Workers,
    limits: Callable[..., None],
    log: Callable[[], list[Any]],
) -> None:
    limits(ANSWER_BYTES_WAITING=50_000, ALL_ANSWER_BYTES_WAITING=50_000)
    clients = [Client(application, f"/{number}") for number in range(3)]
    for client in clients:
        client.reads.clear()
        workers.finish(await workers.take(), EVENTS)
    await until(lambda: all(each.protocol.has_begun for each in application.by_workers.known))
    channels = [each.reply_channel for each in application.by_workers.known]
    encode = workers.layer.codec.encode
    for channel in channels:
        content = encode({"content": b"x" * 30_000, "more_content": True})
        workers.layer.apply([Send(channel, content)])
    await until(log)
    assert application.http.answers.queued <= 50_000
    assert log() == ["answer_cut"]
    for client in clients:
        client.leave()
        client.reads.set()
    for client in clients:
        await client.ended()
        workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_a_second_run_cuts_the_response_of_the_first(
    application: Interface, workers: Workers, log: Callable[[], list[Any]]
) -> None:
    client = Client(application)
    delivery = await workers.take()
    first = {"status": 200, "content": b"abc", "more_content": True, "run": "one", "at": 0}
    workers.send(delivery, first)
    assert await workers.hear(delivery) == {"taken": 3}
    workers.send(delivery, {**first, "run": "two"})
    assert await workers.hear(delivery) == {"gone": True}
    await until(lambda: log() == ["response_cut"])
    client.leave()  # as its connection is cut
    await client.ended()
    assert (client.data, client.is_complete) == (b"abc", False)
    workers.finish(delivery)
    workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_a_server_that_does_not_cut_learns_of_it_by_an_error(
    application: Interface, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CUT_TIMEOUT", 0.01)
    client = Client(application)
    delivery = await workers.take()
    workers.finish(delivery, {"status": 200, "content": b"a", "more_content": True}, {"status": 1})
    with pytest.raises(RuntimeError, match="cannot be completed"):
        await client.ended()
    assert not client.is_complete
    workers.finish(await workers.take(REQUEST_DISCONNECT))


# Clients that leave


async def test_a_client_that_leaves_is_told_to_its_consumer(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    client = Client(application, body=b"x" * 100_000)
    delivery = await workers.take()
    workers.send(delivery, {"read_body": [65_536, 10], "run": "one"})
    await workers.hear(delivery)
    client.leave()
    await client.ended()
    assert await workers.hear(delivery) == {"gone": True}
    workers.finish(delivery, PAGE)
    workers.finish(await workers.take(REQUEST_DISCONNECT))
    assert (client.events, records(layer)) == ([], [])


async def test_a_request_of_a_client_that_leaves_is_withdrawn(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    client = Client(application)
    await until(workers.length)
    client.leave()
    await client.ended()
    await until(lambda: not workers.length())
    assert records(layer) == []


@pytest.mark.parametrize("reply", [EVENTS, PAGE])
async def test_a_connection_that_fails_ends_the_request(
    reply: Content,
    application: Interface,
    workers: Workers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    client = Client(application)
    client.fails = True
    workers.finish(await workers.take(), reply)
    await client.ended()
    assert "Sending a response failed: The connection is lost." in caplog.text
    workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_a_connection_that_fails_later_ends_the_request(
    application: Interface, workers: Workers
) -> None:
    client = Client(application)
    client.reads.clear()
    client.fails = True
    workers.finish(await workers.take(), PAGE)
    last = await workers.take(REQUEST_DISCONNECT)
    client.reads.set()
    await client.ended()
    workers.finish(last)


async def test_a_cancelled_request_is_closed(application: Interface, workers: Workers) -> None:
    client = Client(application)
    delivery = await workers.take()
    client.task.cancel()
    await asyncio.wait([client.task], timeout=TIMEOUT)
    workers.finish(delivery)
    workers.finish(await workers.take(REQUEST_DISCONNECT))


# Refusals


async def test_a_request_that_no_worker_takes(
    application: Interface,
    workers: Workers,
    limits: Callable[..., None],
    layer: InMemoryChannelLayer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits(REQUEST_WAIT_TIMEOUT=0.05)
    client = await Client(application, method="POST").ended()
    assert (client.status, client.is_complete) == (503, True)
    assert client.headers[b"retry-after"] == b"5"
    assert (workers.length(), records(layer)) == (0, [])
    assert "runworker" in caplog.text


async def test_a_request_that_a_worker_has_is_waited_for(
    application: Interface, workers: Workers
) -> None:
    client = Client(application, method="POST")
    delivery = await workers.take()
    asked = asyncio.Event()
    withdraw = workers.layer.withdraw

    async def note(reply_channel: str) -> bool:
        taken = await withdraw(reply_channel)
        asked.set()
        return taken

    workers.layer.withdraw = note  # type: ignore[method-assign]
    [request] = application.by_workers.known
    request._wait_too_long()
    await asyncio.wait_for(asked.wait(), TIMEOUT)
    workers.finish(delivery, PAGE, ends=True)
    assert (await client.ended()).status == 200


async def test_a_layer_that_is_away_is_not_waited_for(
    application: Interface,
    layer: InMemoryChannelLayer,
    limits: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WITHDRAW_TIMEOUT", 0.01)
    limits(REQUEST_WAIT_TIMEOUT=0.01)

    async def never(*args: object) -> Any:
        await asyncio.Event().wait()

    with monkeypatch.context() as away:
        away.setattr(layer, "withdraw", never)
        away.setattr(layer, "start_publish", lambda *message: None)
        client = await Client(application).ended()
    assert client.status == 503
    await until(lambda: not application.by_workers.known)


async def test_a_response_that_does_not_begin(
    application: Interface,
    workers: Workers,
    limits: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits(RESPONSE_TIMEOUT=0.01)
    assert (await Client(application).ended()).status == 503
    assert "RESPONSE_TIMEOUT" in caplog.text
    await until(lambda: not workers.length())
    limits(RESPONSE_TIMEOUT=0)
    client = Client(application, "/poll/")
    workers.finish(await workers.take())
    await until(lambda: application.by_workers.lingering)
    [request] = application.by_workers.known
    assert len(request._timers) == 1  # that of REQUEST_WAIT_TIMEOUT
    request._perform(request.protocol.time_out())
    assert (await client.ended()).status == 503
    workers.finish(await workers.take(REQUEST_DISCONNECT))


BEGUN = {"status": 200, "content": b"begun", "more_content": True}


def let_time_pass(request: Any, seconds: float) -> None:
    """Let nothing have come for so long, and the timer be due."""
    request._heard_at -= seconds
    request._timers[-1].cancel()
    request._look_for_response()


async def test_a_response_that_nobody_goes_on_with_is_cut(
    application: Interface,
    workers: Workers,
    limits: Callable[..., None],
    log: Callable[[], list[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits(RESPONSE_TIMEOUT=1000)
    client = Client(application)
    delivery = await workers.take()
    workers.finish(delivery, BEGUN)
    await client.until(lambda: client.data)
    [request] = application.by_workers.known
    await until(lambda: not request.protocol.is_in_flight)
    for _ in range(2):  # each part begins the time again
        let_time_pass(request, 999)
        assert request._timers[-1].when() - asyncio.get_running_loop().time() < 2
        heard_at = request._heard_at
        workers.send(delivery, {"content": b"+", "more_content": True})
        await until(lambda before=heard_at: request._heard_at > before + 900)  # type: ignore[misc]
    assert log() == []
    let_time_pass(request, 1001)
    client.leave()  # as its server notices that it is cut
    await client.ended()
    assert client.data == b"begun++"
    assert not client.is_complete
    assert log() == ["response_cut"]
    assert "Let the last part have no more_content" in caplog.text
    workers.finish(await workers.take(REQUEST_DISCONNECT))
    await until(lambda: not application.by_workers.known)


async def test_who_may_still_go_on_with_a_response_is_waited_for(
    application: Interface,
    workers: Workers,
    limits: Callable[..., None],
    log: Callable[[], list[Any]],
) -> None:
    limits(RESPONSE_TIMEOUT=1000)
    running = Client(application, "/running/")
    first = await workers.take()
    workers.send(first, BEGUN)
    member = Client(application, "/member/")
    workers.finish(await workers.take(), BEGUN, group="news")
    events = Client(application, "/events/")
    workers.finish(await workers.take(), EVENTS)
    for client in (running, member, events):
        await client.until(lambda client=client: client.status)  # type: ignore[misc]
    await until(lambda: len(application.by_workers.in_flight) == 1)
    for request in application.by_workers.known:
        let_time_pass(request, 1001)
        assert request._timers[-1].when() - asyncio.get_running_loop().time() > 900
    assert log() == []
    workers.finish(first, {"content": b"!"})
    workers.send_to("news", {"content": b"!"})
    for client in (running, member):
        await client.ended()
        assert (client.data, client.is_complete) == (b"begun!", True)
    assert not events.is_complete
    events.leave()
    await events.ended()
    for _ in range(3):
        workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_requests_that_workers_have_to_finish_are_bounded(
    application: Interface,
    workers: Workers,
    limits: Callable[..., None],
    log: Callable[[], list[Any]],
) -> None:
    limits(REQUESTS_WAITING=2)
    polls, runs = Client(application), Client(application)
    poll, run = await workers.take(), await workers.take()
    refused = await Client(application).ended()
    assert (refused.status, refused.headers[b"retry-after"]) == (503, b"5")
    assert log() == ["pages_full"]
    workers.finish(poll, group="news")  # a long poll does not count
    await until(lambda: len(application.by_workers.in_flight) == 1)
    third = Client(application)
    workers.finish(await workers.take(), PAGE, ends=True)
    assert (await third.ended()).status == 200
    workers.finish(run, PAGE, ends=True)
    await runs.ended()
    workers.send_to("news", PAGE)
    await polls.ended()
    workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_a_head_that_does_not_fit_into_a_message(log: Callable[[], list[Any]]) -> None:
    layer = InMemoryChannelLayer(message_size=1000)
    application = Interface(None, lambda: layer)  # type: ignore[arg-type]
    client = await Client(application, "/" + "x" * 1000, body=b"y" * 2000).ended()
    assert client.status == 431
    assert log() == ["request_refused"]
    assert not application.by_workers.known
    fits = Client(application, "/", body=b"y" * 2000)
    delivery = await Workers(layer).take()
    assert len(layer.codec.decode(delivery.payload)["body"]) == 500
    Workers(layer).finish(delivery, PAGE, ends=True)
    assert (await fits.ended()).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("error", [LayerUnavailable("away"), ServerEvicted("gone")])
async def test_a_layer_that_refuses_a_request(
    method: str,
    error: Exception,
    application: Interface,
    layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
    log: Callable[[], list[Any]],
) -> None:
    def refuse(*message: Any) -> None:
        message[-1](error)

    monkeypatch.setattr(layer, "start_publish", refuse)
    client = await Client(application, method=method).ended()
    may_have_run = method == "POST" and isinstance(error, LayerUnavailable)
    assert client.status == (502 if may_have_run else 503)
    assert log()[0] == "publish_failed"
    await until(lambda: not application.by_workers.known)


async def test_a_request_that_the_layer_does_not_know(
    application: Interface, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "start_publish", lambda *message: message[-1](Published.GONE))
    client = await Client(application).ended()
    assert client.status == 503
    assert not application.by_workers.known


@pytest.mark.parametrize(
    ("error", "level"), [(LayerUnavailable("away"), "INFO"), (RuntimeError("broken"), "ERROR")]
)
async def test_an_end_that_cannot_be_told(
    error: Exception,
    level: str,
    application: Interface,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(workers.layer, "close", refuse)
    client = Client(application)
    workers.finish(await workers.take(), PAGE)
    await client.ended()
    await until(lambda: not application.by_workers.known)
    [line] = [each for each in caplog.records if vars(each).get("event") == "end_not_told"]
    assert line.levelname == level


async def test_a_layer_that_this_server_has_left(
    application: Interface, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*message: Any) -> None:
        raise LayerUnavailable("The session has ended.")

    monkeypatch.setattr(layer, "start_publish", refuse)
    client = await Client(application, method="POST").ended()
    assert client.status == 503


# Losses


@pytest.mark.parametrize(("method", "status"), [("GET", 503), ("POST", 502)])
async def test_an_evicted_request(
    method: str, status: int, application: Interface, workers: Workers
) -> None:
    client = Client(application, method=method)
    await workers.take()
    for request in list(application.by_workers.known):
        request.evicted()
    assert (await client.ended()).status == status


async def test_a_flush_answers_requests_that_may_not_run_again(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    once, safe = Client(application, method="POST"), Client(application)
    await until(lambda: workers.length() == 2)
    await workers.take()
    await layer.flush()
    assert (await once.ended()).status == 502
    delivery = await workers.take()
    assert kind_of(delivery.reply_channel or "") is ReplyKind.SAFE
    workers.finish(delivery, PAGE, ends=True)
    assert (await safe.ended()).status == 200


async def test_a_flush_cuts_responses_that_have_begun_but_no_long_polls(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    polls = Client(application, "/poll/")
    workers.finish(await workers.take())
    streams = Client(application)
    delivery = await workers.take()
    part = {"status": 200, "content": b"abc", "more_content": True, "run": "one", "at": 0}
    workers.send(delivery, part)
    await streams.until(lambda: streams.data)
    await layer.flush()
    streams.leave()  # as its connection is cut
    await streams.ended()
    assert not streams.is_complete
    [request] = application.by_workers.known
    workers.layer.apply([Send(request.reply_channel, layer.codec.encode(PAGE))])
    assert (await polls.ended()).status == 200
    workers.finish(await workers.take(REQUEST_DISCONNECT))


async def test_a_request_that_runs_once_is_not_restored_while_it_is_published(
    application: Interface,
    workers: Workers,
    layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published: list[Any] = []
    with monkeypatch.context() as slow:
        slow.setattr(layer, "start_publish", lambda *message: published.append(message))
        client = Client(application, method="POST")
        await until(lambda: published)
    [request] = application.by_workers.known
    assert request.snapshot() is None
    request.end_told()
    assert (await client.ended()).status == 502
    await until(lambda: not application.by_workers.known)


async def test_an_event_source_that_cannot_be_served_comes_back(
    application: Interface, workers: Workers, limits: Callable[..., None]
) -> None:
    events = b"text/event-stream"
    limits(REQUESTS_WAITING=1, REQUEST_WAIT_TIMEOUT=0.01)
    late = await Client(application, accepts=events).ended()
    limits(REQUESTS_WAITING=1)
    running = Client(application)
    delivery = await workers.take()
    too_many = await Client(application, accepts=events).ended()
    assert (await Client(application, method="POST", accepts=events).ended()).status == 503
    stop = asyncio.create_task(application.stop())
    await until(lambda: application.by_workers.is_stopping)
    stopping = await Client(application, accepts=events).ended()
    workers.finish(delivery, PAGE, ends=True)
    await running.ended()
    await asyncio.wait_for(stop, TIMEOUT)
    for client in (late, too_many, stopping):
        assert (client.status, client.headers[b"content-type"]) == (200, events)
        assert client.is_complete
    assert (late.data, too_many.data) == (b"retry: 5000\n\n",) * 2
    assert stopping.data == b"retry: 1000\n\n"


# The end of the server


async def test_a_stopping_server_finishes_requests_and_ends_those_that_wait(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    polls, streams, runs = (Client(application, path) for path in ("/poll/", "/sse/", "/runs/"))
    deliveries = [await workers.take() for _ in range(3)]
    workers.finish(deliveries[0])
    workers.finish(deliveries[1], EVENTS)
    await streams.until(lambda: streams.status)
    await until(lambda: len(application.by_workers.lingering) == 2)
    stop = asyncio.create_task(application.stop())
    await polls.ended()
    await streams.ended()
    assert (polls.status, polls.headers[b"retry-after"]) == (503, b"1")
    assert (streams.status, streams.is_complete) == (200, True)
    assert not stop.done()
    assert (await Client(application).ended()).status == 503
    workers.finish(deliveries[2], PAGE, ends=True)
    assert (await runs.ended()).status == 200
    await asyncio.wait_for(stop, TIMEOUT)
    assert layer._server is None  # it has left
    for _ in (polls, streams):
        workers.finish(await workers.take(REQUEST_DISCONNECT))
    assert records(layer) == []


async def test_a_body_that_is_complete_after_the_stop_is_refused(
    application: Interface, workers: Workers, layer: InMemoryChannelLayer
) -> None:
    client = Client(application, method="POST", is_complete=False)
    await until(lambda: application.http._in_flight)
    stop = asyncio.create_task(application.stop())
    await until(lambda: application.http.ending)
    client.incoming.put_nowait({"type": "http.request", "body": b"x"})
    await client.ended()
    await asyncio.wait_for(stop, TIMEOUT)
    assert (client.status, client.headers[b"retry-after"]) == (503, b"1")
    assert (workers.length(), layer._server) == (0, None)


async def test_a_stopping_server_answers_what_takes_too_long(
    application: Interface,
    workers: Workers,
    layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interface_application, "REQUESTS_TIMEOUT", 0.05)
    once, safe = Client(application, method="POST"), Client(application)
    await workers.take()
    await workers.take()
    close, told = layer.close, []

    async def close_later(reply_channel: str, code: int) -> Closed:
        for _ in range(10):
            await asyncio.sleep(0)
        told.append(layer._server)
        return await close(reply_channel, code)

    monkeypatch.setattr(layer, "close", close_later)
    await asyncio.wait_for(application.stop(), TIMEOUT)
    assert len(told) == 2
    assert None not in told  # as it leaves the layer after that
    assert ((await once.ended()).status, (await safe.ended()).status) == (502, 503)
    assert layer._server is None


async def test_long_polls_end_one_by_one_while_pages_are_served(
    application: Interface, workers: Workers
) -> None:
    polls = [Client(application, f"/poll/{number}") for number in range(3)]
    for _ in polls:
        workers.finish(await workers.take())
    await until(lambda: len(application.by_workers.lingering) == 3)
    stop = asyncio.create_task(application.stop(drain_time=3))
    await until(lambda: any(poll.task.done() for poll in polls))
    page = Client(application)
    workers.finish(await workers.take(), PAGE, ends=True)
    assert (await page.ended()).status == 200
    await asyncio.wait_for(stop, TIMEOUT)
    assert [poll.status for poll in polls] == [503] * 3


# What metrics read


async def test_requests_by_workers_are_counted(
    application: Interface, workers: Workers, limits: Callable[..., None]
) -> None:
    limits(REQUESTS_WAITING=1)
    times = Times()
    application.exchanges._times = times
    page = Client(application)
    delivery = await workers.take()
    counts = application.exchanges
    assert counts.in_progress == {"interface": 0, "workers": 1}
    busy = await Client(application).ended()
    assert busy.status == 503
    workers.finish(delivery, PAGE, ends=True)
    await page.ended()
    assert counts.in_progress == {"interface": 0, "workers": 0}
    assert {key: count for key, count in counts.answered.items() if count} == {
        ("workers", "2xx"): 1,
        ("workers", "5xx"): 1,
    }
    assert {key: count for key, count in counts.refused.items() if count} == {"workers_busy": 1}
    assert times.answered == ["workers", "workers"]


async def test_long_polls_and_streams_have_no_time(
    application: Interface, workers: Workers
) -> None:
    times = Times()
    application.exchanges._times = times
    poll = Client(application)
    workers.finish(await workers.take(), group="news")
    await until(lambda: all(each.protocol.lingers for each in application.by_workers.known))
    workers.send_to("news", PAGE)
    await poll.ended()
    stream = Client(application)
    head = {"status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    workers.finish(await workers.take(), {**head, "content": b"data: a\n\n", "more_content": True})
    await stream.until(lambda: b"data: a" in stream.data)
    stream.leave()
    await stream.ended()
    assert application.exchanges.answered["workers", "2xx"] == 2
    assert times.answered == []


class Times:
    """Records who answered requests that were timed."""

    def __init__(self) -> None:
        self.answered: list[str] = []

    def handshake_ended(self, outcome: str, seconds: float) -> None:
        raise AssertionError("There is no socket.")

    def frame_published(self, seconds: float) -> None:
        raise AssertionError("There is no socket.")

    def frame_committed(self, seconds: float) -> None:
        raise AssertionError("There is no socket.")

    def frame_sent(self, seconds: float) -> None:
        raise AssertionError("There is no socket.")

    def request_answered(self, by: str, seconds: float) -> None:
        self.answered.append(by)
