"""Slow consumers, and coroutines that block the event loop."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Running
from channels_workers.worker import heartbeat, watch
from channels_workers.worker.group import WorkerGroup
from channels_workers.worker.watch import Watch
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client
from tests.channels_workers.consumers import TIMEOUT, Blocked, StartGroup, stop

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db

Look = Callable[[float], None]


def watch_of(group: WorkerGroup) -> Watch:
    """A watch beside that of *group*, with a clock of its own."""
    return Watch(group.workers, group.loop, group.router, threading.Event())


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if vars(record).get("event") == event]


def test_a_slow_consumer_is_logged_once_with_its_stack(
    client_socket: Client, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = Blocked()
    group = start_group({"websocket.connect": blocked}, n_threads=2)
    client_socket.connect(path="/chat/")
    assert blocked.begun.wait(TIMEOUT)
    look = watch_of(group).look
    for now in (0.0, 4.9):
        look(now)
    assert not lines(caplog, "slow_consumer")
    for now in (5.0, 60.0):
        look(now)
    [record] = lines(caplog, "slow_consumer")
    blocked.let_go.set()
    assert record.levelno == logging.WARNING
    message = f"{client_socket.reply_channel}:0"
    first, *stack = record.getMessage().splitlines()
    assert first == (
        "tests.channels_workers.consumers.Blocked has run for 5.0 s on websocket.connect, path "
        f"/chat/, message {message}; SLOW_CONSUMER is 5 s. It is at:"
    )
    assert "consumers.py" in stack[0]
    assert stack[0].endswith("in __call__")
    assert stack[-1].strip() == "waiter.acquire()" or "wait" in "".join(stack)
    assert {
        "consumer": "tests.channels_workers.consumers.Blocked",
        "path": "/chat/",
        "connection": client_socket.reply_channel,
        "channel": "websocket.connect",
        "message_id": message,
    }.items() < vars(record).items()


def test_a_coroutine_is_logged_with_the_place_that_it_waits_at(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def inner() -> None:
        event = asyncio.Event()
        events.append((asyncio.get_running_loop(), event))
        await event.wait()

    async def consumer(message: Any) -> None:
        await inner()

    group = start_group({"background": consumer})
    Channel("background").send({})
    wait_for(lambda: events, "the consumer")
    look = watch_of(group).look
    look(0.0)
    look(5.0)
    [record] = lines(caplog, "slow_consumer")
    loop, event = events[0]
    loop.call_soon_threadsafe(event.set)
    stack = record.getMessage()
    assert "path -" in stack
    assert "in consumer\n    await inner()" in stack
    assert "in inner\n    await event.wait()" in stack
    assert "isolation.py" not in stack, "frames of the engine are left out"


def test_zero_switches_it_off(
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    settings.CHANNEL_WORKERS = {"SLOW_CONSUMER": 0}
    blocked = Blocked()
    group = start_group({"background": blocked})
    Channel("background").send({})
    assert blocked.begun.wait(TIMEOUT)
    look = watch_of(group).look
    look(0.0)
    look(1e6)
    blocked.let_go.set()
    assert not lines(caplog, "slow_consumer")
    assert not lines(caplog, "consumer_timed_out")


def test_a_consumer_that_waits_for_its_client_is_not_slow(
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = watch.waits_for_client.__globals__["_HTTP"]
    blocked = Blocked()
    names: dict[str, Any] = {"blocked": blocked}
    code = "def consumer(message):\n    blocked(message)\n"
    exec(compile(code, f"{path}views.py", "exec"), names)
    group = start_group({"background": names["consumer"]})
    Channel("background").send({})
    assert blocked.begun.wait(TIMEOUT)
    look = watch_of(group).look
    look(0.0)
    look(5.0)
    blocked.let_go.set()
    assert not lines(caplog, "slow_consumer")


# Time limits


def test_a_coroutine_is_cancelled_at_the_limit(
    client_socket: Client,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    settings.CHANNEL_WORKERS = {"CONSUMER_TIMEOUT": 2, "SLOW_CONSUMER": 0}
    begun = threading.Event()

    async def consumer(message: Any) -> None:
        message.reply_channel.send({"text": "before"})
        begun.set()
        await asyncio.Event().wait()

    group = start_group({"websocket.connect": consumer})
    client_socket.connect()
    assert begun.wait(TIMEOUT)
    look = watch_of(group).look
    for now in (0.0, 1.9, 2.0):
        look(now)
    wait_for(lambda: lines(caplog, "consumer_timed_out"), "the log line")
    stop(group)
    [record] = lines(caplog, "consumer_timed_out")
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "It exceeded CONSUMER_TIMEOUT, 2 s"
    assert client_socket.replies == [{"text": "before"}]
    assert client_socket.released == [0]


def test_a_thread_is_only_logged_at_the_limit(
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
) -> None:
    settings.CHANNEL_WORKERS = {"CONSUMER_TIMEOUT": 2}
    blocked = Blocked()
    group = start_group({"background": blocked})
    Channel("background").send({})
    assert blocked.begun.wait(TIMEOUT)
    look = watch_of(group).look
    for now in (0.0, 2.0, 3.0):
        look(now)
    [record] = lines(caplog, "consumer_timed_out")
    blocked.let_go.set()
    assert record.levelno == logging.ERROR
    assert "longer than CONSUMER_TIMEOUT, 2 s. A thread cannot be ended" in record.getMessage()
    assert "in __call__" in record.getMessage()


# The event loop


def blocking(begun: threading.Event, let_go: threading.Event) -> Callable[..., Any]:
    async def consumer(message: Any) -> None:
        begun.set()
        assert let_go.wait(TIMEOUT)

    return consumer


def until_blocked(watched: Watch, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    def look() -> list[logging.LogRecord]:
        watched.look(time.monotonic())
        return lines(caplog, "event_loop_blocked")

    wait_for(look, "the log line", timeout=TIMEOUT)
    watched.look(time.monotonic())
    [record] = lines(caplog, "event_loop_blocked")
    return record


def test_a_coroutine_that_blocks_the_loop_is_named(
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CHANNEL_WORKERS = {"SLOW_CONSUMER": 0.1}
    monkeypatch.setattr(watch, "LOOK_INTERVAL", 1e6)
    begun, let_go = threading.Event(), threading.Event()
    group = start_group({"background": blocking(begun, let_go)}, n_threads=2)
    watched = watch_of(group)
    Channel("background").send({})
    assert begun.wait(TIMEOUT)
    record = until_blocked(watched, caplog)
    [slow] = lines(caplog, "slow_consumer")
    let_go.set()
    assert record.levelno == logging.WARNING
    assert f"{__name__}.blocking.<locals>.consumer blocks the event loop" in record.getMessage()
    for line in (record.getMessage(), slow.getMessage()):
        assert "in consumer\n    assert let_go.wait(TIMEOUT)" in line
    assert vars(record)["channel"] == "background"
    wait_for(lambda: not group.workers[0].slot.running, "the end of the consumer")
    caplog.clear()
    wait_for(lambda: group.loop.blocked_for() == 0.0, "the answer of the loop")
    watched.look(time.monotonic())
    assert not lines(caplog, "event_loop_blocked")


def test_a_left_over_task_may_block_the_loop(
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "LOOK_INTERVAL", 1e6)
    begun, let_go = threading.Event(), threading.Event()
    tasks = []

    async def consumer(message: Any) -> None:
        tasks.append(asyncio.create_task(blocking(begun, let_go)(message)))

    group = start_group({"background": consumer})
    Channel("background").send({})
    assert begun.wait(TIMEOUT)
    group.loop.blocked_for()
    record = until_blocked(watch_of(group), caplog)
    let_go.set()
    assert record.getMessage().startswith(("A left-over task blocks", f"{__name__}."))


# What channelstatus shows


def test_what_runs_for_long_is_published(
    client_socket: Client, start_group: StartGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK_INTERVAL", 0.01)
    monkeypatch.setattr(watch, "LONG", 0.0)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_INTERVAL", 0.01)
    layer, blocked = client_socket.layer, Blocked()

    def running() -> tuple[Running, ...]:
        [worker] = layer.admin.status().workers
        return worker.about.running

    group = start_group({"websocket.connect": blocked}, n_threads=2)
    client_socket.connect()
    assert blocked.begun.wait(TIMEOUT)
    wait_for(running, "the message in the status")
    [found] = running()
    assert found.consumer == "tests.channels_workers.consumers.Blocked"
    assert found.channel == "websocket.connect"
    assert found.message_id == f"{client_socket.reply_channel}:0"
    assert found.connection == client_socket.reply_channel
    assert abs(time.time() - found.since) < TIMEOUT
    assert group.workers[found.thread].slot.running is not None
    blocked.let_go.set()
    wait_for(lambda: not running(), "an empty status")


# Trouble


def test_a_message_without_a_known_consumer(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, caplog: pytest.LogCaptureFixture
) -> None:
    class Moody:
        """Routes a message once."""

        def __init__(self) -> None:
            self.asked = 0

        def match_values(self, channel: str, values: Any) -> Any:
            self.asked += 1
            if self.asked > 2:
                return None
            if self.asked > 1:
                raise ValueError
            return type("Match", (), {"consumer": blocked, "kwargs": {}})

        def channel_names(self) -> set[str]:
            return {"background"}

    blocked = Blocked()
    group = start_group([Moody()])
    Channel("background").send({})
    assert blocked.begun.wait(TIMEOUT)
    for _ in range(2):
        look = watch_of(group).look
        look(0.0)
        look(5.0)
    blocked.let_go.set()
    found = [record.getMessage() for record in lines(caplog, "slow_consumer")]
    assert all(text.startswith("A consumer has run for 5.0 s on background") for text in found)
    assert len(found) == 2


def test_a_failed_look_is_logged_and_the_watch_goes_on(
    memory_layer: InMemoryChannelLayer,
    start_group: StartGroup,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = []

    def look(self: Watch, now: float) -> None:
        looks.append(now)
        raise ValueError("nobody foresaw it")

    monkeypatch.setattr(watch, "LOOK_INTERVAL", 0.01)
    monkeypatch.setattr(Watch, "look", look)
    start_group({"background": Blocked()})
    wait_for(lambda: len(looks) > 1, "the second look")
    assert lines(caplog, "watch_failed")[0].levelno == logging.ERROR
