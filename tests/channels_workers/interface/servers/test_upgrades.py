"""Handshakes that need no HTTP parser, and those that go the long way."""

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from channels_workers.interface.servers.upgrades import LARGEST, MOST_HEADERS, read_upgrade
from channels_workers.interface.servers.uvicorn import handshakes
from channels_workers.interface.servers.uvicorn.heads import bound_heads

REQUIRED = {
    "Host": "example.org",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def handshake(target: str = "/chat/?a=1", version: str = "1.1", **changes: str | None) -> bytes:
    """Return a handshake; *changes* of headers have _ for -, and None leaves one out."""
    headers: dict[str, str | None] = {**REQUIRED}
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {target} HTTP/{version}", *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    "data",
    [
        handshake(),
        handshake(Connection="keep-alive, Upgrade"),
        handshake(Upgrade="WebSocket"),
        handshake(Origin="  https://example.org\t"),
    ],
)
def test_a_plain_handshake_is_read(data: bytes) -> None:
    upgrade = read_upgrade(data)
    assert upgrade is not None
    assert upgrade.target == b"/chat/?a=1"
    assert upgrade.headers[b"sec-websocket-version"] == b"13"
    assert all(name == name.lower() for name in upgrade.headers)
    assert all(value == value.strip() for value in upgrade.headers.values())
    again = read_upgrade(upgrade.head)
    assert again is not None
    assert again.headers == upgrade.headers


@pytest.mark.parametrize(
    "data",
    [
        handshake()[:-2],  # its end is missing
        handshake() + b"\x81\x80mask",  # a frame follows
        handshake(version="1.0"),
        handshake().replace(b"GET", b"POST"),
        handshake("http://example.org/"),
        handshake("*"),
        handshake(Host=None),
        handshake(Upgrade="h2c"),
        handshake(Connection="close"),
        handshake(Content_Length="0"),
        handshake(Transfer_Encoding="chunked"),
        handshake(Expect="100-continue"),
        handshake(X="a\r\n folded"),
        handshake(X="a\rb"),
        handshake(X="a\0b"),
        handshake(X="a\x85Cookie: of somebody else"),  # another line to autobahn
        handshake(Cookie="name=\xe4"),
        handshake(**{"X ": "a space before the colon"}),
        handshake(X="one\r\nx: two"),
        handshake(Host="example.org\r\nhost: example.com"),
        handshake(X="x" * LARGEST),
        handshake(**{f"x{number}": "" for number in range(MOST_HEADERS)}),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"",
    ],
)
def test_all_else_goes_the_long_way(data: bytes) -> None:
    assert read_upgrade(data) is None


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.protocol: Any = None
        self.is_closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        addresses = {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 40_000)}
        return addresses.get(name, default)

    def write(self, data: Any) -> None:
        self.written += data

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        """Read nothing."""

    def resume_reading(self) -> None:
        """Read on."""


class Site:
    """uvicorn with an application that accepts each socket, and notes its scope."""

    def __init__(self, http: str = "h11", ws: str = "auto", log_level: str = "warning") -> None:
        self.scopes: list[Any] = []
        options: Any = {"http": http, "ws": ws, "log_level": log_level, "interface": "asgi3"}
        self.config = Config(self.application, **options)
        self.config.load()
        self.state = ServerState()
        bound_heads(SimpleNamespace(__self__=SimpleNamespace(config=self.config)))

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async def open(self, data: bytes) -> Transport:
        """Return the transport of a new connection that sent *data*."""
        kind: Any = self.config.http_protocol_class
        transport = Transport()
        loop = asyncio.get_running_loop()
        protocol = kind(config=self.config, server_state=self.state, app_state={}, _loop=loop)
        transport.protocol = protocol
        protocol.connection_made(transport)
        if data:
            protocol.data_received(data)
        for _ in range(5):
            await asyncio.sleep(0)
        return transport

    async def end(self, *transports: Transport) -> None:
        """End connections, and their applications."""
        for transport in transports:
            transport.protocol.connection_lost(None)
        if self.state.tasks:
            await asyncio.wait(self.state.tasks)


@pytest.fixture(autouse=True)
def unknown_classes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test find out which classes are known, and give uvicorn's loggers back."""
    monkeypatch.setattr(handshakes, "_known", set())
    levels = {name: logging.getLogger(name).level for name in ("uvicorn.error", "uvicorn.access")}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
async def test_both_ways_of_a_handshake_end_alike(ws: str) -> None:
    site = Site(ws=ws)
    data = handshake("/%C3%A4/?a=%20", Cookie="a=b", Sec_WebSocket_Protocol="one, two")
    first = await site.open(data)  # by the parser, which tells what parts uvicorn has
    second = await site.open(data)
    assert type(first.protocol) is type(second.protocol)
    assert site.scopes[0] == site.scopes[1]
    assert b" 101 " in first.written
    assert first.written.partition(b"date")[0] == second.written.partition(b"date")[0]
    assert site.state.connections == {first.protocol, second.protocol}
    await site.end(first, second)
    assert not site.state.connections


async def test_a_parser_is_made_for_other_requests_only() -> None:
    site = Site()
    await site.end(await site.open(handshake()))
    waiting, page = await site.open(b""), await site.open(b"GET / HTTP/1.1\r\n")
    assert not hasattr(waiting.protocol, "conn")
    assert hasattr(page.protocol, "conn")
    assert len(site.state.connections) == 2
    waiting.protocol.shutdown()
    assert waiting.is_closed
    await site.end(waiting, page)
    assert not site.state.connections


async def test_a_refused_handshake_is_answered_alike() -> None:
    site = Site()
    data = handshake(Sec_WebSocket_Version="8")
    answers = [(await site.open(data)).written for _ in range(2)]
    assert b" 426 " in answers[0] or b" 400 " in answers[0]
    assert answers[0].splitlines()[0] == answers[1].splitlines()[0]


async def test_a_uvicorn_that_logs_all_parses_all() -> None:
    site = Site(log_level="trace")
    first, second = await site.open(handshake()), await site.open(handshake())
    assert not handshakes._known
    assert site.scopes[0] == site.scopes[1]
    await site.end(first, second)


async def test_nothing_is_left_of_an_accepted_handshake() -> None:
    site = Site(ws="websockets-sansio")
    first, second = await site.open(handshake()), await site.open(handshake())
    handshakes.forget(second.protocol)
    assert second.protocol.request is None
    assert second.protocol.response is None
    second.protocol.data_received(b"\x81\x82\0\0\0\0ok")
    assert second.protocol.queue.get_nowait()["text"] == "ok"
    await site.end(first, second)


async def test_a_protocol_without_the_parts_parses_the_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshakes, "PARTS", ("conn", "of_another_release"))
    site = Site(ws="websockets-sansio")
    first, second = await site.open(handshake()), await site.open(handshake())
    assert not handshakes._known
    assert site.scopes[0] == site.scopes[1]
    handshakes.forget(second.protocol)
    assert second.protocol.request is not None
    await site.end(first, second)
