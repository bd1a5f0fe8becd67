"""A virtual socket without an interface: numbers, backpressure, and clients that go."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from channels_workers.interface.transports import socket as module
from channels_workers.interface.transports.downstream import WINDOW_FRAMES
from channels_workers.interface.transports.socket import (
    Fetched,
    VirtualSocket,
    virtual_scope,
)

TIMEOUT = 60
SCOPE = {"path": "/room/", "headers": []}


class Application:
    """Accepts, and keeps what comes; `held` keeps frames back."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.codes: list[int] = []
        self.socket: VirtualSocket | None = None
        self.changed = asyncio.Event()
        self.frames_until_held = 0
        self.failure: Exception | None = None

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]
    ) -> None:
        assert (await receive())["type"] == "websocket.connect"
        if self.failure is not None:
            raise self.failure
        await send({"type": "websocket.accept", "subprotocol": "a"})
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self.codes.append(event["code"])
                self.changed.set()
                return
            self.texts.append(event["text"])
            self.changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                await self.changed.wait()
                self.changed.clear()


async def opened(application: Application) -> VirtualSocket:
    ended: list[VirtualSocket] = []
    socket = VirtualSocket(SCOPE, "key", ended.append)
    socket.begin(application)
    handshake = await socket.handshake
    assert (handshake.status, handshake.protocol) == (200, "a")
    return socket


async def poll(socket: VirtualSocket, after: int, reader: str = "r", wait: float = TIMEOUT) -> Any:
    return await socket.poll(reader, after, wait, is_first=True)


def frames_of(fetched: Fetched) -> list[Any]:
    frames: list[Any] = json.loads(fetched.data)["frames"]
    return frames


def text(number: int) -> dict[str, Any]:
    return {"type": "websocket.send", "text": f"{number}"}


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 60),
    seed=st.integers(0, 10**6),
    largest=st.integers(1, 30),
    hold=st.booleans(),
)
def test_frames_are_taken_once_and_in_order(
    count: int, seed: int, largest: int, hold: bool
) -> None:
    """Requests race, come again, come late, or not at all; only gaps are asked for again."""

    async def run() -> None:
        chance, application = random.Random(seed), Application()
        socket = await opened(application)
        frames = [f"{number}" for number in range(1, count + 1)]
        known = 0  # to the client
        async with asyncio.timeout(TIMEOUT):
            while known < count:
                requests = []
                for _ in range(chance.randint(1, 4)):
                    first = chance.randint(max(1, known - 3), min(count, known + 3))
                    requests.append(socket.push(first, frames[first - 1 : first - 1 + largest]))
                if hold and chance.random() < 0.5:
                    socket.hold()
                    asyncio.get_running_loop().call_soon(socket.let_go)
                tasks = [asyncio.ensure_future(request) for request in requests]
                if chance.random() < 0.3:
                    tasks[0].cancel()  # its client left
                told = await asyncio.gather(*tasks, return_exceptions=True)
                known = max([known, *(each for each in told if isinstance(each, int))])
                known = max(known, await socket.push(known + 1, frames[known : known + 1]))
        await application.until(lambda: len(application.texts) == count)
        assert application.texts == frames
        socket.leave(1000)
        await application.until(lambda: application.codes)

    asyncio.run(run())


async def test_a_client_that_is_held_back_waits_and_is_told_what_was_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PUSH_TIME", 0.05)
    application = Application()
    socket = await opened(application)
    socket.hold()
    frames = [f"{number}" for number in range(100)]
    assert await socket.push(1, frames) == 0
    assert application.texts == []
    socket.let_go()
    assert await socket.push(2, ["more"]) == 0  # the first is missing
    assert await socket.push(1, frames) == 100
    await application.until(lambda: application.texts == frames)
    socket.leave(1000)


async def test_of_two_requests_at_once_one_takes_frames() -> None:
    application = Application()
    socket = await opened(application)
    socket.hold()
    first = asyncio.ensure_future(socket.push(1, ["x"] * 50))
    await asyncio.sleep(0)
    async with asyncio.timeout(TIMEOUT):
        assert await socket.push(1, ["x"] * 50) == 0  # at once
    socket.let_go()
    assert await first == 50
    socket.leave(1000)


async def test_send_waits_for_a_client_that_confirms_nothing() -> None:
    socket = await opened(Application())
    for number in range(WINDOW_FRAMES):
        await socket.send(text(number))
    last = asyncio.ensure_future(socket.send(text(WINDOW_FRAMES)))
    fetched = await poll(socket, 0)
    assert frames_of(fetched) == [f"{number}" for number in range(WINDOW_FRAMES)]
    assert not last.done()  # they may not have arrived
    assert socket.acknowledge(1)
    await asyncio.wait_for(last, TIMEOUT)
    assert not socket.acknowledge(WINDOW_FRAMES + 2)
    assert frames_of(await poll(socket, WINDOW_FRAMES)) == [f"{WINDOW_FRAMES}"]
    late = await poll(socket, WINDOW_FRAMES - 1, "late")  # it had said that it has it
    assert late.is_replaced
    socket.leave(1000)


async def test_a_newer_request_ends_the_one_before() -> None:
    socket = await opened(Application())
    older = asyncio.ensure_future(poll(socket, 0, "older"))
    await asyncio.sleep(0)
    newer = asyncio.ensure_future(poll(socket, 0, "newer"))
    assert (await asyncio.wait_for(older, TIMEOUT)).is_replaced
    await socket.send(text(1))
    assert frames_of(await newer) == ["1"]
    again = await socket.poll("older", 0, 0.0, is_first=False)
    assert again is not None
    assert again.is_replaced
    socket.leave(1000)


async def test_a_poll_without_frames_ends_empty() -> None:
    socket = await opened(Application())
    fetched = await poll(socket, 0, wait=0.01)
    assert (fetched.is_empty, fetched.is_end, frames_of(fetched)) == (True, False, [])
    socket.leave(1000)


async def test_frames_that_came_before_the_end_are_handed_on_before_it() -> None:
    application = Application()
    socket = await opened(application)
    taken = asyncio.ensure_future(socket.push(1, ["one", "two"]))
    await asyncio.sleep(0)  # the application has not run yet
    socket.leave(3001)
    assert await taken == 2
    await application.until(lambda: application.codes == [3001])
    assert application.texts == ["one", "two"]
    assert socket.is_over
    assert not socket.has_news


async def test_a_close_follows_the_frames_before_it() -> None:
    application = Application()
    socket = await opened(application)
    await socket.send(text(1))
    await socket.send({"type": "websocket.close", "code": 4321, "reason": "so"})
    await application.until(lambda: application.codes == [4321])
    fetched = await poll(socket, 0)
    assert json.loads(fetched.data) == {
        "first": 1,
        "frames": ["1"],
        "close": {"code": 4321, "reason": "so"},
    }
    assert fetched.is_end
    assert socket.has_news


async def test_a_client_that_fetches_nothing_is_gone(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"FALLBACK_TIMEOUT": 0.1}
    application = Application()
    socket = await opened(application)
    polling = asyncio.ensure_future(poll(socket, 0, wait=0.3))
    await asyncio.sleep(0)
    await polling
    assert application.codes == []  # while it asks it is there
    await application.until(lambda: application.codes == [1006])


async def test_a_cut_drops_what_waits() -> None:
    application = Application()
    socket = await opened(application)
    await socket.send(text(1))
    socket.cut()
    await application.until(lambda: application.codes == [1006])
    assert socket.is_lost
    assert not socket.has_news


async def test_an_application_that_fails_refuses_the_handshake(
    caplog: pytest.LogCaptureFixture,
) -> None:
    application = Application()
    application.failure = RuntimeError("broken")
    socket = VirtualSocket(SCOPE, "key", lambda socket: None)
    socket.begin(application)
    assert (await socket.handshake).status == 500
    assert [record.event for record in caplog.records] == ["transport_failed"]  # type: ignore[attr-defined]


def test_the_scope_is_that_of_a_websocket() -> None:
    http = {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/room/",
        "raw_path": b"/room/",
        "query_string": b"a=b",
        "root_path": "",
        "client": ["127.0.0.9", 1],
        "server": ["127.0.0.1", 80],
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "headers": [
            (b"host", b"example.com"),
            (b"origin", b"https://example.com"),
            (b"cookie", b"sessionid=x"),
            (b"content-type", b"application/json"),
            (b"content-length", b"2"),
            (b"channels-workers-transport", b"open"),
            (b"sec-websocket-protocol", b"forged"),
        ],
    }
    assert virtual_scope(http, ["a", "b"]) == {
        **{key: http[key] for key in ("asgi", "http_version", "path", "raw_path", "root_path")},
        **{key: http[key] for key in ("query_string", "client", "server")},
        "type": "websocket",
        "scheme": "wss",
        "headers": [
            (b"host", b"example.com"),
            (b"origin", b"https://example.com"),
            (b"cookie", b"sessionid=x"),
            (b"sec-websocket-protocol", b"a, b"),
        ],
        "subprotocols": ["a", "b"],
        "extensions": {"websocket.http.response": {}},
    }
