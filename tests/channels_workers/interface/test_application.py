"""The interface application with real workers on the memory layer, and all kinds of clients."""

import asyncio
import gc
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from pytest_django import Settings

from channels_workers.channel import Group
from channels_workers.exceptions import DenyConnection
from channels_workers.interface import application as interface_application
from channels_workers.interface import gc_tuning
from channels_workers.interface.application import Interface
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Published
from channels_workers.message import Message
from channels_workers.routing import Router, route
from channels_workers.sessions import channel_session
from channels_workers.worker.group import WorkerGroup
from tests.channels_workers.clients import request_of

TIMEOUT = 60
CLOSE = "websocket.close"

Event = dict[str, Any]


class Client:
    """A client as an ASGI server shows it to the application. `events` are what it was sent."""

    def __init__(self, application: Interface, path: str = "/") -> None:
        self.incoming: asyncio.Queue[Event] = asyncio.Queue()
        self.events: list[Event] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.changed = asyncio.Condition()
        scope = {"type": "websocket", "path": path, "headers": [], "query_string": b""}
        self.task = asyncio.create_task(application(scope, self.incoming.get, self.take))
        self.incoming.put_nowait({"type": "websocket.connect"})

    async def take(self, event: Event) -> None:
        if not self.reads.is_set():
            await self.reads.wait()
        self.events.append(event)
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT), self.changed:
            await self.changed.wait_for(condition)

    async def accepted(self) -> "Client":
        await self.until(lambda: self.types == ["accept"])
        return self

    def send(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text, "bytes": None})

    def leave(self, code: int = 1001) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.shield(self.task), TIMEOUT)

    @property
    def types(self) -> list[str]:
        return [event["type"].removeprefix("websocket.") for event in self.events]

    @property
    def texts(self) -> list[str]:
        return [event["text"] for event in self.events if event["type"] == "websocket.send"]

    @property
    def close_codes(self) -> list[int]:
        return [event["code"] for event in self.events if event["type"] == "websocket.close"]


def room(message: Message) -> Group:
    return Group("room", channel_layer=message.channel_layer)


class Consumers:
    """Consumers of a room in which all hear each other. `seen` records the runs."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.joins_on_frames = False

    def note(self, what: str, value: Any) -> None:
        self.seen.append((what, value))
        self.loop.call_soon_threadsafe(self.changed.set)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                await self.changed.wait()
                self.changed.clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Block the receive consumers, and connects to paths with "waits"."""
        self.go_on.clear()
        yield
        self.go_on.set()

    @property
    def ends(self) -> list[Any]:
        """Code and count of each disconnect."""
        return [value for what, value in self.seen if what == "disconnect"]

    @channel_session
    def connect(self, message: Message) -> None:
        if "waits" in message["path"]:
            room(message).add(message.reply_channel)
        self.note("connect", message["path"])
        message.channel_session["count"] = 0
        if "waits" in message["path"]:
            self.go_on.wait(TIMEOUT)
        if "denied" in message["path"]:
            raise DenyConnection
        if message["path"] == "/broken":
            raise RuntimeError("broken")
        if message["path"] != "/silent":
            message.reply_channel.send({"accept": True})
            room(message).add(message.reply_channel)

    @channel_session
    def receive(self, message: Message) -> None:
        if self.joins_on_frames:
            self.note("begins", message["text"])
        self.go_on.wait(TIMEOUT)
        if self.joins_on_frames:
            Group("another", channel_layer=message.channel_layer).add(message.reply_channel)
        self.note("receive", message["text"])
        message.channel_session["count"] += 1
        if message["text"] == "close":
            message.reply_channel.send({"text": "bye", "close": 4321})
        room(message).send({"text": message["text"]})

    @channel_session
    def disconnect(self, message: Message) -> None:
        self.note("disconnect", (message["code"], message.channel_session["count"]))
        room(message).discard(message.reply_channel)


@pytest.fixture
async def consumers() -> Consumers:
    return Consumers()


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


@pytest.fixture
def workers(layer: InMemoryChannelLayer, consumers: Consumers) -> Iterator[WorkerGroup]:
    router = Router(
        [
            route("websocket.connect", consumers.connect),
            route("websocket.receive", consumers.receive),
            route("websocket.disconnect", consumers.disconnect),
        ]
    )
    group = WorkerGroup(layer, n_threads=3, router=router)
    group.start()
    yield group
    group.stop()
    assert group.join(TIMEOUT)


@pytest.fixture
def application(layer: InMemoryChannelLayer) -> Interface:
    async def http(scope: Event, receive: object, send: Callable[[Event], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 204, "path": scope["path"]})

    return Interface(http, lambda: layer)


# Signals around a consumer clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("workers")]


async def test_a_room_conversation(application: Interface, consumers: Consumers) -> None:
    one, two = await Client(application).accepted(), await Client(application).accepted()
    one.send("hi")
    await one.until(lambda: one.texts == ["hi"])
    await two.until(lambda: two.texts == ["hi"])
    one.leave(1001)
    await one.ended()
    await consumers.until(lambda: ("disconnect", (1001, 1)) in consumers.seen)
    two.send("still here?")
    await two.until(lambda: two.texts == ["hi", "still here?"])
    assert one.texts == ["hi"]
    two.leave()
    await two.ended()


async def test_frames_run_in_order_and_before_the_disconnect(
    application: Interface, consumers: Consumers
) -> None:
    client = await Client(application).accepted()
    for number in range(200):
        client.send(str(number))
    client.leave(1001)
    await client.ended()
    await consumers.until(lambda: consumers.seen[-1][0] == "disconnect")
    frames = [("receive", str(number)) for number in range(200)]
    assert consumers.seen == [("connect", "/"), *frames, ("disconnect", (1001, 200))]


async def test_a_denied_handshake(application: Interface, consumers: Consumers) -> None:
    client = Client(application, "/denied")
    await client.until(lambda: client.types == ["close"])
    client.leave(1006)
    await consumers.until(lambda: len(consumers.seen) == 2)
    assert consumers.seen[-1][0] == "disconnect"
    await client.ended()


async def test_a_handshake_whose_consumer_fails_is_refused_at_once(
    application: Interface, consumers: Consumers, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(CHANNEL_WORKERS={"HANDSHAKE_TIMEOUT": 1_000}):
        client = Client(application, "/broken")
        await client.until(lambda: client.types == ["close"])
    client.leave(1006)
    await client.ended()
    await consumers.until(lambda: consumers.ends)
    errors = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [vars(record)["event"] for record in errors] == ["consumer_failed", "socket_refused"]
    expected = "Refused the handshake of /broken: its consumer raised RuntimeError"
    assert errors[1].getMessage() == expected


async def test_a_consumer_closes(application: Interface, consumers: Consumers) -> None:
    client = await Client(application).accepted()
    client.send("close")
    await client.until(lambda: client.close_codes == [4321])
    assert client.texts == ["bye"]
    client.send("too late")
    client.leave(4321)
    await client.ended()
    await consumers.until(lambda: consumers.seen[-1] == ("disconnect", (4321, 1)))


async def test_a_handshake_without_an_answer_is_refused(
    application: Interface, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 0.2}
    client = Client(application, "/silent")
    await client.until(lambda: client.types == ["close"])
    assert '{"accept": True}' in caplog.text
    client.leave(1006)
    await client.ended()


async def test_handshakes_above_the_limit_are_refused_before_any_work(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKES_AT_ONCE": 1, "HANDSHAKE_TIMEOUT": 60}
    with consumers.held():
        first = Client(application, "/waits")
        await consumers.until(lambda: consumers.seen)
        refused = [Client(application) for _ in range(3)]
        for client in refused:
            await client.until(lambda client=client: client.types == ["close"])  # type: ignore[misc]
            await client.ended()
    await first.accepted()
    await (await Client(application).accepted()).until(lambda: len(consumers.seen) == 2)
    assert application.traffic.handshakes["postponed"] == 3
    assert [value for what, value in consumers.seen if what == "connect"] == ["/waits", "/"]


async def test_connect_implicit_accepts_as_before_1_0(
    application: Interface, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"CONNECT": "accept"}
    client = await Client(application, "/silent").accepted()
    client.leave()
    await client.ended()


async def test_too_many_frames_close_only_their_own_socket(
    application: Interface, settings: Settings, consumers: Consumers
) -> None:
    settings.CHANNEL_WORKERS = {"FRAMES_WAITING": 50}
    greedy, other = await Client(application).accepted(), await Client(application).accepted()
    for number in range(500):
        greedy.send(str(number))
    await greedy.until(lambda: greedy.close_codes == [4008])
    greedy.leave(4008)
    await greedy.ended()
    await consumers.until(lambda: consumers.seen[-1][0] == "disconnect")
    texts = [value for what, value in consumers.seen if what == "receive"]
    assert texts == [str(number) for number in range(len(texts))]
    assert 50 <= len(texts) < 500
    other.send("fine")
    await other.until(lambda: other.texts[-1:] == ["fine"])
    other.leave()


async def test_orphaned_frames_are_bounded(
    application: Interface, layer: InMemoryChannelLayer, settings: Settings, workers: WorkerGroup
) -> None:
    settings.CHANNEL_WORKERS = {"LEFT_FRAMES_WAITING": 15}
    clients = [await Client(application).accepted() for _ in range(3)]
    workers.stop()
    assert workers.join(TIMEOUT)
    for client in clients:
        for number in range(11):  # one of them in flight
            client.send(str(number))
        client.leave()
        await client.ended()
    assert application.sockets.backlog.orphaned_frames == 10
    assert layer.length("websocket.receive") == 3
    assert layer.length("websocket.disconnect") == 0


async def test_few_orphaned_frames_of_one_client_are_kept(
    application: Interface, settings: Settings, consumers: Consumers
) -> None:
    settings.CHANNEL_WORKERS = {"LEFT_FRAMES": 3}
    client = await Client(application).accepted()
    with consumers.held():
        for number in range(10):
            client.send(str(number))
        client.leave()
        await client.ended()
        assert application.sockets.backlog.orphaned_frames == 3
    await consumers.until(lambda: consumers.seen[-1][0] == "disconnect")
    assert consumers.ends == [(1001, 4)]
    assert application.sockets.backlog.taken == 0


async def test_orphaned_frames_of_all_clients_are_bounded_in_bytes(
    application: Interface, settings: Settings, consumers: Consumers
) -> None:
    settings.CHANNEL_WORKERS = {"LEFT_FRAME_BYTES_WAITING": 15_000}
    clients = [await Client(application).accepted() for _ in range(2)]
    with consumers.held():
        for client in clients:
            for _ in range(3):  # one of them in flight
                client.send("x" * 5000)
            client.leave()
            await client.ended()
        assert application.sockets.backlog.orphaned_frames == 2
        assert application.sockets.backlog.orphaned_bytes < 15_000
    await consumers.until(lambda: len(consumers.ends) == 2)
    assert sorted(consumers.ends) == [(1001, 1), (1001, 3)]
    assert application.sockets.backlog.orphaned_bytes == 0


async def test_orphaned_frames_expire(
    application: Interface, settings: Settings, consumers: Consumers
) -> None:
    settings.CHANNEL_WORKERS = {"LEFT_TIME": 0.05}
    client = await Client(application).accepted()
    with consumers.held():
        for number in range(3):
            client.send(str(number))
        client.leave()
        await client.ended()
        async with asyncio.timeout(TIMEOUT):
            while application.sockets.backlog.orphaned_frames:  # noqa: ASYNC110  (nobody tells of it)
                await asyncio.sleep(0.01)
    await consumers.until(lambda: consumers.seen[-1][0] == "disconnect")
    assert consumers.ends == [(1001, 1)]


async def test_exceeding_the_total_closes_only_the_greediest_socket(
    application: Interface, settings: Settings, consumers: Consumers
) -> None:
    settings.CHANNEL_WORKERS = {"ALL_FRAME_BYTES_WAITING": 40_000}
    greedy, modest = await Client(application).accepted(), await Client(application).accepted()
    with consumers.held():
        for _ in range(3):
            greedy.send("x" * 10_000)
        modest.send("one")
        modest.send("y" * 10_000)
        await greedy.until(lambda: greedy.close_codes == [4008])
        assert application.sockets.backlog.taken <= 40_000
        greedy.leave(4008)
        await greedy.ended()
    await modest.until(lambda: "y" * 10_000 in modest.texts)
    assert modest.close_codes == []
    await consumers.until(lambda: consumers.ends == [(4008, 1)])
    modest.leave()
    await modest.ended()


async def test_an_oversized_frame_closes_only_its_own_socket(
    application: Interface, settings: Settings, consumers: Consumers
) -> None:
    settings.CHANNEL_WORKERS = {"FRAME_SIZE": 100}
    greedy, other = await Client(application).accepted(), await Client(application).accepted()
    greedy.send("ä" * 51)
    await greedy.until(lambda: greedy.close_codes == [4009])
    greedy.leave(1006)
    await consumers.until(lambda: consumers.seen[-1] == ("disconnect", (4009, 0)))
    other.send("ä" * 50)
    await other.until(lambda: other.texts == ["ä" * 50])
    other.leave()


async def test_a_slow_client_delays_nobody_else(application: Interface) -> None:
    slow, fast = await Client(application).accepted(), await Client(application).accepted()
    slow.reads.clear()
    for number in range(20):
        fast.send(str(number))
    numbers = [str(number) for number in range(20)]
    await fast.until(lambda: fast.texts == numbers)
    assert slow.texts == []
    slow.reads.set()
    await slow.until(lambda: slow.texts == numbers)
    for client in (slow, fast):
        client.leave()
        await client.ended()


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("path", ["/waits", "/waits/denied"])
async def test_a_socket_hears_its_groups_once_it_is_accepted(
    path: str, application: Interface, consumers: Consumers, layer: InMemoryChannelLayer
) -> None:
    with consumers.held():
        client = Client(application, path)
        await consumers.until(lambda: ("connect", path) in consumers.seen)
        for text in ("one", "two"):
            await layer.group_send("room", {"text": text})
        witness = await Client(application).accepted()  # the inbox is read beyond both
        assert client.events == []
    if path == "/waits":
        await client.until(lambda: client.texts == ["one", "two"])
        assert client.types == ["accept", "send", "send"]
    else:
        await client.until(lambda: client.types == ["close"])
    for each in (client, witness):
        each.leave()
        await each.ended()


@pytest.mark.parametrize("limits", [{"REPLIES_WAITING": 10}, {"REPLY_BYTES_WAITING": 20}])
async def test_a_client_that_never_reads_is_cut(
    limits: dict[str, int], application: Interface, settings: Settings, consumers: Consumers
) -> None:
    settings.CHANNEL_WORKERS = limits
    slow, fast = await Client(application).accepted(), await Client(application).accepted()
    slow.reads.clear()
    for number in range(20):
        fast.send(str(number))
    await fast.until(lambda: len(fast.texts) == 20)
    await slow.ended()
    await consumers.until(lambda: ("disconnect", (4010, 0)) in consumers.seen)
    fast.leave()
    await fast.ended()


async def test_a_cancelled_application_reports_the_disconnect(
    application: Interface, consumers: Consumers
) -> None:
    client = await Client(application).accepted()
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    await consumers.until(lambda: ("disconnect", (1001, 0)) in consumers.seen)


async def test_an_evicted_connection_closes_its_socket(
    application: Interface, layer: InMemoryChannelLayer
) -> None:
    client = await Client(application).accepted()
    layer.store.records.clear()
    client.send("hi")
    await client.until(lambda: client.close_codes == [4012])
    client.leave(4012)
    await client.ended()
    assert application.sockets.known == set()
    assert application.sockets.backlog.taken == 0


async def test_no_socket_remains(application: Interface, consumers: Consumers) -> None:
    clients = [await Client(application).accepted() for _ in range(10)]
    for client in clients:
        client.leave()
        await client.ended()
    await consumers.until(
        lambda: sum(what == "disconnect" for what, _ in consumers.seen) == len(clients)
    )
    await application.drain()
    assert application.sockets.known == set()


def codes_and_reasons(clients: list[Client]) -> set[tuple[int, str | None]]:
    closes = [event for each in clients for event in each.events if event["type"] == CLOSE]
    return {(event["code"], event.get("reason")) for event in closes}


async def leave_when_closed(client: Client) -> None:
    await client.until(lambda: client.types[-1:] == ["close"])
    client.leave(client.close_codes[0])
    await client.ended()


async def test_a_stopping_server_closes_its_sockets_one_by_one(
    application: Interface, consumers: Consumers, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RETURN_TIME": 7}
    clients = [await Client(application).accepted() for _ in range(5)]
    handshake = Client(application, "/silent")
    await consumers.until(lambda: ("connect", "/silent") in consumers.seen)
    left = [asyncio.create_task(leave_when_closed(each)) for each in (*clients, handshake)]
    async with asyncio.timeout(TIMEOUT):
        await application.stop(drain_time=0.2)
        await asyncio.gather(*left)
        late = Client(application)
        await late.until(lambda: late.types == ["close"])
        await late.ended()
    assert codes_and_reasons(clients) == {(4013, "retry-after: 7")}
    assert codes_and_reasons([handshake, late]) == {(1000, None)}
    assert application.sockets.known == set()
    expected = [(1006, 0), *[(4013, 0)] * 5]
    await consumers.until(lambda: len(consumers.ends) == len(expected))
    assert sorted(consumers.ends) == expected


async def test_sockets_that_are_still_open_keep_working(application: Interface) -> None:
    clients = [await Client(application).accepted() for _ in range(3)]
    stopping = asyncio.create_task(application.stop(drain_time=3600))
    async with asyncio.timeout(TIMEOUT):
        await asyncio.wait(
            [asyncio.create_task(leave_when_closed(each)) for each in clients],
            return_when=asyncio.FIRST_COMPLETED,
        )
    others = [each for each in clients if each.close_codes == []]
    assert len(others) == 2
    others[0].send("still here")
    for each in others:
        await each.until(lambda each=each: each.texts == ["still here"])  # type: ignore[misc]
    stopping.cancel()
    await application.stop()
    assert codes_and_reasons(others) == {(4013, None)}


async def test_frames_sent_before_the_close_are_run(
    application: Interface, consumers: Consumers
) -> None:
    first, second = [await Client(application).accepted() for _ in range(2)]
    for number in range(20):
        first.send(str(number))
        second.send(str(number))
    await asyncio.sleep(0)  # the server reads all of them in this time
    left = [asyncio.create_task(leave_when_closed(each)) for each in (first, second)]
    stopping = asyncio.create_task(application.stop(drain_time=3600))
    await consumers.until(lambda: ("disconnect", (4013, 20)) in consumers.seen)
    stopping.cancel()
    await application.stop()
    await asyncio.gather(*left)
    assert {*first.close_codes, *second.close_codes} == {4013}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_only_sigterm_drains_gradually(
    number: signal.Signals, application: Interface, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"DRAIN_TIME": 0.1}
    clients = [await Client(application).accepted() for _ in range(2)]
    left = [asyncio.create_task(leave_when_closed(each)) for each in clients]
    await application._stop_upon(number)
    await asyncio.gather(*left)
    reason = "retry-after: 1" if number == signal.SIGTERM else None
    assert codes_and_reasons(clients) == {(4013, reason)}


async def test_http_goes_to_its_application(application: Interface) -> None:
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)

    await application({"type": "http", "path": "/page"}, request_of(), send)
    assert sent == [{"type": "http.response.start", "status": 204, "path": "/page"}]


async def test_queued_frames_go_to_workers_before_a_stop(
    application: Interface, consumers: Consumers
) -> None:
    """Also those of a client that has left: three frames are queued behind one in flight."""
    stays, leaves = [await Client(application).accepted() for _ in range(2)]
    with consumers.held():
        for client in (stays, leaves):
            for number in range(3):
                client.send(f"{number}")
        leaves.leave()
        stop = asyncio.create_task(application.stop(drain_time=TIMEOUT))
        await stays.until(lambda: "close" in stays.types)
        stays.leave()
    await asyncio.wait_for(stop, 2 * TIMEOUT)
    await consumers.until(lambda: len(consumers.ends) == 2)
    heard = sorted(value for what, value in consumers.seen if what == "receive")
    assert heard == ["0", "0", "1", "1", "2", "2"]


async def test_a_drain_waits_for_pending_publishes(
    application: Interface, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await Client(application).accepted()
    publishing: list[Callable[[Published], object]] = []

    def publish_slowly(*message: Any) -> None:
        publishing.append(message[-1])

    monkeypatch.setattr(layer, "start_publish", publish_slowly)
    client.send("one")
    client.send("two")
    client.leave()
    await client.ended()
    drain = asyncio.create_task(application.drain_ended())
    done, _ = await asyncio.wait([drain], timeout=0.1)
    assert not done
    publishing[0](Published.PUBLISHED)
    await asyncio.wait_for(drain, TIMEOUT)


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop go on until the condition holds."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_drain_waits_for_each_of_two_publishes(
    application: Interface, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox may tell that a frame is finished before the answer to its publish comes."""
    client = await Client(application).accepted()
    [socket] = application.sockets.known
    await until(lambda: socket.protocol.in_flight is None)
    publishing: list[Callable[[Published], object]] = []
    monkeypatch.setattr(layer, "start_publish", lambda *message: publishing.append(message[-1]))
    for text in ("one", "two", "three"):
        client.send(text)
    await until(lambda: len(socket.protocol.pending.frames) == 2)
    socket.release(1)
    assert len(publishing) == 2
    client.leave()
    await client.ended()
    publishing[0](Published.PUBLISHED)
    drain = asyncio.create_task(application.drain_ended())
    done, _ = await asyncio.wait([drain], timeout=0.1)
    assert not done
    publishing[1](Published.PUBLISHED)
    await asyncio.wait_for(drain, TIMEOUT)


async def test_an_unfinished_page_is_logged_as_a_warning(
    application: Interface, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(interface_application, "DRAIN_TIMEOUT", 0.2)

    async def for_ever(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    application.http.http = for_ever
    scope = {"type": "http", "path": "/page", "method": "GET", "headers": []}
    page = asyncio.create_task(application(scope, request_of(), print))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await application.stop()
    assert [(record.levelname, record.event) for record in caplog.records][-1] == (  # type: ignore[attr-defined]
        "WARNING",
        "pages_cut",
    )
    page.cancel()


async def test_a_disconnect_that_the_layer_does_not_accept_is_logged_in_one_line(
    application: Interface,
    layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await Client(application).accepted()
    left = asyncio.create_task(leave_when_closed(client))

    async def for_ever(reply_channel: str, code: int) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as slow:
        slow.setattr(interface_application, "DRAIN_TIMEOUT", 0.2)
        slow.setattr(layer, "close", for_ever)
        await application.stop()
    await left
    (said,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert said.event == "stop_failed"  # type: ignore[attr-defined]
    assert (
        said.getMessage()
        == "The end of 1 sockets and requests is not told: the layer takes too long"
    )
    for socket in list(application.sockets.known):
        for task in socket.unsettled():
            task.cancel()
    await layer.retire_server()


async def test_a_socket_after_the_shutdown_registers_no_server(
    layer: InMemoryChannelLayer, application: Interface
) -> None:
    await application.stop()
    late = Client(application)
    await late.until(lambda: late.types == ["close"])
    await late.ended()
    assert layer.admin.status().servers == []


async def test_clients_that_have_left_are_not_counted_as_closed(
    application: Interface, consumers: Consumers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "channels_workers.interface.application")
    stays, leaves = [await Client(application).accepted() for _ in range(2)]
    with consumers.held():
        leaves.send("one")
        leaves.send("two")
        leaves.leave()
        await leaves.ended()
        stop = asyncio.create_task(application.stop())
        await leave_when_closed(stays)
    await stop
    assert "it closes 1 sockets" in caplog.text


async def test_lifespan_is_answered(application: Interface) -> None:
    incoming: asyncio.Queue[Event] = asyncio.Queue()
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)

    for name in ("startup", "shutdown"):
        incoming.put_nowait({"type": f"lifespan.{name}"})
    await application({"type": "lifespan"}, incoming.get, send)
    assert [event["type"] for event in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_a_layer_that_cannot_be_created_is_logged_at_startup(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And for each socket. Pages are served nevertheless."""

    def fail() -> Any:
        raise ImproperlyConfigured("CHANNEL_LAYERS has no 'default'; it has none.")

    application = Interface(never, fail)
    application.get_ready()
    [record] = caplog.records
    assert record.getMessage() == "The channel layer cannot be used; each socket will fail"
    assert "CHANNEL_LAYERS has no 'default'" in caplog.text
    with pytest.raises(ImproperlyConfigured):
        await Client(application).task


async def test_startup_is_logged_once_despite_repeated_events(
    layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    application = Interface(never, lambda: layer)
    with caplog.at_level(logging.INFO, "channels_workers.interface.application"):
        for _ in range(2):
            application.get_ready()
        assert application._announcing is not None
        await application._announcing
    assert caplog.text.count("Sockets go to workers by InMemoryChannelLayer") == 1


async def never(scope: Event, receive: object, send: object) -> None:
    raise AssertionError("This is no page.")


async def test_a_server_with_a_startup_event_registers_before_its_first_socket(
    application: Interface,
) -> None:
    incoming: asyncio.Queue[Event] = asyncio.Queue()
    sent: asyncio.Queue[Event] = asyncio.Queue()
    lifespan = asyncio.create_task(application({"type": "lifespan"}, incoming.get, sent.put))
    for name, servers in (("startup", 1), ("shutdown", 0)):
        incoming.put_nowait({"type": f"lifespan.{name}"})
        async with asyncio.timeout(TIMEOUT):
            assert (await sent.get())["type"] == f"lifespan.{name}.complete"
        assert len(application.get_layer().admin.status().servers) == servers
    await lifespan


async def test_an_unknown_scope_is_an_error(application: Interface) -> None:
    with pytest.raises(ValueError, match="'telnet'"):
        await application({"type": "telnet"}, asyncio.Queue[Event]().get, None)  # type: ignore[arg-type]


async def test_the_first_socket_tunes_garbage_collection(application: Interface) -> None:
    before = gc.get_threshold()
    gc.set_threshold(gc_tuning.DEFAULTS[0], 10, 10)
    try:
        await Client(application).accepted()
        assert gc.get_threshold()[0] == gc_tuning.NEW_OBJECTS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
