"""Output to one client: at once, or later while the client does not read."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import daphne.server
import pytest
from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet import main, tcp

from channels_workers.conf import Configuration
from channels_workers.interface.actions import Accept, CloseSocket, SendFrame
from channels_workers.interface.outgoing import Outgoing
from channels_workers.interface.outgoing_kinds import outgoing_for
from channels_workers.interface.servers.daphne.outgoing import DaphneOutgoing
from channels_workers.interface.servers.daphne.twisted import unsent_bytes
from channels_workers.interface.servers.uvicorn import server as uvicorn_server
from channels_workers.interface.servers.uvicorn.outgoing import UvicornOutgoing
from channels_workers.interface.traffic import Traffic
from channels_workers.interface.unread import Unread


class Server:
    """Sends while it is `writable`, like uvicorn's protocols."""

    transport = None

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.error: Exception | None = None

    async def send(self, event: dict[str, Any]) -> None:
        await self.writable.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(event["text"])


Server.__module__ = "uvicorn.protocols.test"


def frame(text: str) -> SendFrame:
    return SendFrame({"type": "websocket.send", "text": text}, len(text))


def no_overflow() -> None:
    raise AssertionError("nothing should overflow")


def outgoing(server: Server, overflow: Callable[[], None] = no_overflow, **limits: Any) -> Outgoing:
    found = outgoing_for(server.send, Configuration(**limits), overflow)
    assert isinstance(found, UvicornOutgoing)
    return found


async def test_a_client_that_reads_needs_no_task() -> None:
    server = Server()
    to_client = outgoing(server)
    to_client.put(frame("one"))
    to_client.put(frame("two"))
    assert server.sent == ["one", "two"]
    assert to_client.writer is None


async def test_a_handshake_is_answered_without_a_task() -> None:
    server = Server()
    to_client = outgoing(server)
    to_client.put(Accept({"type": "websocket.accept", "subprotocol": None, "text": "accepted"}))
    assert server.sent == ["accepted"]
    assert to_client.writer is None


async def test_unread_frames_queue_in_order() -> None:
    server = Server()
    server.writable.clear()
    to_client = outgoing(server)
    for text in ("one", "two", "three"):
        to_client.put(frame(text))
    assert server.sent == []
    server.writable.set()
    assert to_client.writer is not None
    await to_client.writer
    assert server.sent == ["one", "two", "three"]
    to_client.put(frame("four"))
    assert server.sent[-1] == "four"


async def test_a_full_queue_overflows() -> None:
    server = Server()
    server.writable.clear()
    overflows: list[None] = []
    to_client = outgoing(server, lambda: overflows.append(None), REPLIES_WAITING=2)
    for _ in range(3):
        to_client.put(frame("one is in flight, two wait"))
    assert not overflows
    to_client.put(frame("one too many"))
    assert overflows == [None]
    to_client.cut()


async def test_a_cut_ends_a_pending_send() -> None:
    server = Server()
    server.writable.clear()
    to_client = outgoing(server)
    to_client.put(frame("one"))
    to_client.put(frame("two"))
    writer = to_client.writer
    assert writer is not None
    await asyncio.sleep(0)
    to_client.cut()
    with pytest.raises(asyncio.CancelledError):
        await writer
    server.writable.set()
    assert server.sent == []


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_failing_server_affects_no_other_client(
    is_late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "channels_workers.interface.outgoing")
    server = Server()
    server.error = ConnectionError("gone")
    if is_late:
        server.writable.clear()
    to_client = outgoing(server)
    to_client.put(frame("one"))
    if to_client.writer is not None:
        server.writable.set()
        await to_client.writer
    assert "Sending failed: ConnectionError: gone" in caplog.text


async def test_a_close_runs_in_a_task_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    class Slow(Server):
        async def send(self, event: dict[str, Any]) -> None:
            async with asyncio.timeout(0.01):  # it cancels the task in which it began
                await asyncio.Event().wait()

    Slow.__module__ = Server.__module__
    caplog.set_level("INFO", "channels_workers.interface.outgoing")
    to_client = outgoing(Slow())
    to_client.put(CloseSocket({"type": "websocket.close", "code": 1000}))
    assert to_client.writer is not None
    await to_client.writer
    assert "Sending failed" in caplog.text


# Daphne: its own `send`, and a Twisted transport between two real sockets


class Unreferable:
    """A transport without weak references, as those of uvloop for TLS."""

    __slots__ = ("is_cut",)

    def abort(self) -> None:
        self.is_cut = True

    def get_write_buffer_size(self) -> int:
        return 0


async def test_a_client_that_takes_no_close_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_server, "ABORT_TIMEOUT", 0)
    server, transport = Server(), Unreferable()
    monkeypatch.setattr(server, "transport", transport)
    outgoing(server).put(CloseSocket({"type": "websocket.close", "text": "closed"}))
    for _ in range(3):
        await asyncio.sleep(0)
    assert server.sent == ["closed"]
    assert transport.is_cut


class Reactor:
    """Records which transports wait until they can write."""

    def __init__(self) -> None:
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:  # noqa: N802
        """Do nothing."""

    def removeReader(self, reader: Any) -> None:  # noqa: N802
        """Do nothing."""

    def addWriter(self, writer: Any) -> None:  # noqa: N802
        self.writers.add(writer)

    def callLater(self, seconds: float, *call: Any) -> None:  # noqa: N802
        """Do nothing."""

    def removeWriter(self, writer: Any) -> None:  # noqa: N802
        self.writers.discard(writer)


class Line(WebSocketServerProtocol):  # type: ignore[misc]
    """Daphne's side of a connection, and the client's end of it."""

    state = WebSocketServerProtocol.STATE_OPEN
    closeHandshakeTimeout = 1.0  # noqa: N815
    maxMessagePayloadSize = 0  # noqa: N815

    def __init__(self) -> None:
        near, self.client = socket.socketpair()
        near.setblocking(False)
        self.client.setblocking(False)
        self.reactor = Reactor()
        self.transport = tcp.Connection(near, None, self.reactor)
        self.transport.connected = 1
        server = daphne.server.Server(application=None, endpoints=["unused"])
        server.connections = {self: {}}
        self.cut = 0
        send = partial(server.handle_reply, self)
        self.out = outgoing_for(send, Configuration(), self.overflow)
        assert isinstance(self.out, DaphneOutgoing)

    def overflow(self) -> None:
        self.cut += 1

    def handle_reply(self, message: dict[str, Any]) -> None:
        """What Daphne calls with each event."""
        self.transport.write(message["text"].encode())

    def received(self) -> bytes:
        """What the client can read now."""
        data = b""
        with suppress(BlockingIOError):
            while part := self.client.recv(2**20):
                data += part
        return data


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.client.close()
    line.transport.socket.close()


async def test_daphne_writes_a_frame_in_the_same_reactor_turn(line: Line) -> None:
    for text in ("one", "two"):
        line.out.put(frame(text))
        assert line.received() == text.encode()
        assert not line.reactor.writers
        await asyncio.sleep(0)


async def test_frames_of_one_turn_go_out_in_two_writes(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    write = line.transport.writeSomeData

    def count(data: bytes) -> Any:
        writes.append(bytes(data))
        return write(data)

    monkeypatch.setattr(line.transport, "writeSomeData", count)
    for number in range(20):
        line.out.put(frame(f"{number} "))
    assert line.reactor.writers
    line.transport.doWrite()  # the reactor's turn
    assert writes == [b"0 ", "".join(f"{number} " for number in range(1, 20)).encode()]
    assert not line.reactor.writers


async def test_unread_output_of_daphne_is_left_to_the_reactor(line: Line) -> None:
    sent = b""
    while not line.reactor.writers:
        line.out.put(frame("x" * 10_000))
        sent += b"x" * 10_000
        await asyncio.sleep(0)
    line.out.put(frame("last"))
    received = b""
    while line.reactor.writers:
        received += line.received()
        line.transport.doWrite()
    assert received + line.received() == sent + b"last"


async def test_a_slow_reader_of_daphne_is_reported(line: Line) -> None:
    line.out.limits = Configuration(REPLY_BYTES_WAITING=50_000)
    while not line.cut:
        line.out.put(frame("x" * 10_000))
    assert unsent_bytes(line.transport) > 50_000


async def test_a_broken_connection_of_daphne_is_left_to_the_reactor(line: Line) -> None:
    line.client.close()
    line.out.put(frame("one"))
    assert line.reactor.writers == {line.transport}  # which gets the error, and closes
    assert line.transport.doWrite() is main.CONNECTION_LOST


async def test_a_closing_connection_of_daphne_is_closed_by_the_reactor(line: Line) -> None:
    line.transport.loseConnection()
    line.out.put(frame("the last"))
    assert line.received() == b"the last"
    assert line.reactor.writers == {line.transport}
    assert line.transport.doWrite() is main.CONNECTION_DONE


async def test_a_cut_connection_of_daphne_gets_nothing(line: Line) -> None:
    line.out.put(frame("one"))
    line.out.cut()
    line.out.put(frame("two"))
    await asyncio.sleep(0)
    line.out.put(frame("three"))
    assert line.received() == b"one"


# All clients together


class Reader(Outgoing):
    """The output of a client that has this much left to read."""

    def __init__(self, unread: Unread) -> None:
        super().__init__(Server().send, Configuration(), self.fall, unread, Traffic())
        self.size = 0
        self.is_cut = False

    def fall(self) -> None:
        self.is_cut = True
        self.size = 0
        self.clear()

    def unsent(self) -> int:
        return self.size

    def leave_unread(self, size: int) -> None:
        self.size = size
        self.look()


def readers(number: int, limit: int) -> list[Reader]:
    unread = Unread()
    made = [Reader(unread) for _ in range(number)]
    for each in made:
        each.limits = Configuration(ALL_REPLY_BYTES_WAITING=limit)
    return made


def test_exceeding_the_total_cuts_the_client_with_most_unread() -> None:
    greedy, other, small = readers(3, limit=400_000)
    greedy.leave_unread(250_000)
    small.leave_unread(60_000)  # does not count
    other.leave_unread(140_000)
    assert not greedy.is_cut
    other.leave_unread(160_000)
    assert (greedy.is_cut, other.is_cut, small.is_cut) == (True, False, False)


def test_data_read_meanwhile_does_not_count() -> None:
    one, two = readers(2, limit=400_000)
    one.leave_unread(300_000)
    one.size = 0  # not measured again since
    two.leave_unread(300_000)
    assert not one.is_cut
    assert not two.is_cut
    two.clear()
    one.leave_unread(390_000)
    assert not one.is_cut
