"""Connections and handshakes of both servers that wait for their turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from channels_workers.conf import configuration
from channels_workers.interface.servers import reception
from channels_workers.interface.servers.daphne import arrivals
from channels_workers.interface.servers.reception import Arrival, Reception
from channels_workers.interface.servers.uvicorn import heads
from channels_workers.interface.servers.uvicorn.heads import BoundedHead
from tests.channels_workers.interface.servers.test_entries import Entered
from tests.channels_workers.interface.servers.test_upgrades import handshake

PAGE = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"

#: Handshakes that wait like plain ones: they go the long way.
UNUSUAL = {
    "a repeated header": handshake().replace(b"\r\n\r\n", b"\r\nX-A: 1\r\nX-A: 2\r\n\r\n"),
    "another case": handshake().replace(b"Upgrade: websocket", b"UPGRADE:WebSocket"),
}


class Closed(Reception):
    """A reception that lets nobody in before it is opened."""

    def __init__(self) -> None:
        super().__init__(1)
        self.held: list[Arrival] = []

    def arrive(self, arrival: Arrival) -> bool:
        arrival.hold_arrival()
        self.held.append(arrival)
        return False

    def open(self) -> list[bool]:
        """Let all in; say who was there."""
        held, self.held = self.held, []
        return [each.let_in() for each in held]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Closed:
    """Of new connections."""
    closed = Closed()
    monkeypatch.setattr(heads, "connections", closed)
    monkeypatch.setattr(arrivals, "connections", closed)
    return closed


@pytest.fixture
def handshakes(monkeypatch: pytest.MonkeyPatch) -> Closed:
    """Of handshakes."""
    closed = Closed()
    monkeypatch.setattr(reception, "handshakes", closed)
    return closed


async def test_the_time_for_a_head_begins_when_daphne_reads_it(connections: Closed) -> None:
    entered = Entered()
    assert not entered.clock.getDelayedCalls()
    entered.clock.advance(10 * configuration().REQUEST_HEAD_TIMEOUT)
    assert connections.open() == [True]
    entered.clock.advance(configuration().REQUEST_HEAD_TIMEOUT - 1)
    assert not entered.http.is_late
    entered.clock.advance(1)
    assert entered.http.is_late


async def test_a_connection_of_daphne_that_ended_is_not_let_in(connections: Closed) -> None:
    entered = Entered()
    entered.transport.connected = False
    assert connections.open() == [False]
    assert not entered.clock.getDelayedCalls()


@pytest.mark.parametrize("head", [handshake(), *UNUSUAL.values()])
async def test_handshakes_of_daphne_wait_without_a_time_out(
    head: bytes, handshakes: Closed
) -> None:
    entered = Entered()
    entered.entry.dataReceived(head)
    entered.clock.advance(10 * configuration().REQUEST_HEAD_TIMEOUT)
    assert not entered.clock.getDelayedCalls()
    assert not entered.http.data
    assert not entered.websocket.data
    assert handshakes.open() == [True]
    assert entered.http.data or entered.websocket.data


async def test_requests_to_daphne_pass_handshakes(handshakes: Closed) -> None:
    waiting, asking = Entered(), Entered()
    waiting.entry.dataReceived(handshake())
    asking.entry.dataReceived(PAGE)
    assert asking.http.data == PAGE
    assert not waiting.websocket.data


async def test_a_held_handshake_that_leaves_daphne_is_dropped(handshakes: Closed) -> None:
    entered = Entered()
    entered.entry.dataReceived(handshake())
    entered.entry.connectionLost(Failure(ConnectionLost()))
    assert handshakes.open() == [False]
    assert not entered.websocket.data


async def test_a_client_that_does_not_wait_for_daphne_is_refused(handshakes: Closed) -> None:
    entered = Entered()
    entered.entry.dataReceived(handshake())
    entered.entry.dataReceived(b"\x81")
    assert entered.transport.value().startswith(b"HTTP/1.1 400 ")
    assert entered.transport.disconnecting
    assert handshakes.open() == [False]
    assert not entered.websocket.data


class Served:
    """A server of uvicorn's protocol, whose application notes what it is called with."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.protocols: list[BoundedHead] = []
        self.clients: list[asyncio.StreamWriter] = []
        self.state = ServerState()
        self.config = Config(
            self.answer, ws="websockets-sansio", interface="asgi3", log_config=None
        )
        self.config.load()
        self.kind: Any = type("Protocol", (BoundedHead, H11Protocol), {"is_lazy": True})
        self.port = 0

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request or a handshake."""
        self.called.append(scope["type"])
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})
        else:
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})

    def make(self) -> Any:
        """Make the protocol of a connection."""
        made = self.kind(config=self.config, server_state=self.state, app_state={})
        self.protocols.append(made)
        return made

    async def ask(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send *data* on a new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(writer)
        writer.write(data)
        return reader, writer


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A server of uvicorn's protocol."""
    made = Served()
    listener = await asyncio.get_running_loop().create_server(made.make, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    for client in made.clients:
        client.close()
        with suppress(ConnectionError):
            await client.wait_closed()
    while made.state.connections:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await asyncio.gather(*made.state.tasks)
    listener.close()


async def held_in(closed: Closed) -> None:
    """Wait until one is held."""
    while not closed.held:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_the_time_for_a_head_begins_when_uvicorn_reads_it(
    served: Served, connections: Closed, settings: Any
) -> None:
    settings.CHANNEL_WORKERS = {"REQUEST_HEAD_TIMEOUT": 0.001}
    reader, _ = await served.ask()
    await held_in(connections)
    assert served.protocols[0]._deadline is None
    assert connections.open() == [True]
    assert await reader.read() == b""  # now it is late


@pytest.mark.parametrize("head", [handshake(), *UNUSUAL.values()])
async def test_handshakes_of_uvicorn_wait_without_a_time_out(
    served: Served, head: bytes, handshakes: Closed
) -> None:
    reader, _ = await served.ask(head)
    await held_in(handshakes)
    assert served.protocols[0]._deadline is None
    assert served.called == []
    assert handshakes.open() == [True]
    assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")


async def test_requests_to_uvicorn_pass_handshakes(served: Served, handshakes: Closed) -> None:
    await served.ask(handshake())
    await held_in(handshakes)
    reader, _ = await served.ask(PAGE)
    assert (await reader.readline()).startswith(b"HTTP/1.1 204 ")
    assert served.called == ["http"]


async def test_a_held_handshake_that_leaves_uvicorn_is_dropped(
    served: Served, handshakes: Closed
) -> None:
    _, writer = await served.ask(handshake())
    await held_in(handshakes)
    writer.close()
    while served.state.connections:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert handshakes.open() == [False]
    assert served.called == []


async def test_a_client_that_does_not_wait_for_uvicorn_is_refused(
    served: Served, handshakes: Closed
) -> None:
    reader, writer = await served.ask(handshake())
    await held_in(handshakes)
    writer.write(b"\x81")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    handshakes.open()
    assert served.called == []
