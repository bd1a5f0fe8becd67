"""Whole frames written past Daphne's `send`, by autobahn's own protocol over a real socket."""

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory

from channels_workers.conf import Configuration
from channels_workers.interface.actions import CloseSocket, SendFrame
from channels_workers.interface.frames import SharedFrame, encoded
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne import autobahn, twisted
from channels_workers.interface.servers.daphne.twisted import unsent_bytes
from labs.harness.certificate import make_certificate
from tests.channels_workers.interface.test_outgoing import Line

VALUES: tuple[str | bytes, ...] = ("", "a", "é" * 62, "x" * 126, "é" * 40_000, b"", b"\xff" * 65536)


def shared(value: str | bytes) -> SharedFrame:
    key = "text" if isinstance(value, str) else "bytes"
    length = len(value.encode() if isinstance(value, str) else value)
    return SharedFrame(SendFrame({"type": "websocket.send", key: value}, length), length)


class Socket(Line):
    """A socket that autobahn has opened; it counts what Daphne's own `send` gets."""

    def __init__(self, **options: Any) -> None:
        self.factory = WebSocketServerFactory()
        self.factory.setProtocolOptions(openHandshakeTimeout=0, **options)
        self.is_server = True
        self._connectionMade()
        self.state = self.STATE_OPEN
        self.slow = 0
        super().__init__()

    def handle_reply(self, message: dict[str, Any]) -> None:
        """What Daphne does with an event."""
        self.slow += 1
        if message["type"] == "websocket.close":
            self.sendClose(message["code"])
        elif message.get("bytes"):
            self.sendMessage(message["bytes"], True)
        elif message.get("text"):
            self.sendMessage(message["text"].encode(), False)

    def stats(self) -> dict[str, int]:
        """What autobahn has counted."""
        return {name: getattr(self.trafficStats, name) for name in autobahn.STATS_PARTS}

    def end(self) -> None:
        self.client.close()
        self.transport.socket.close()


@pytest.fixture
def opened() -> Iterator[Callable[..., Socket]]:
    """Opens sockets, with options of autobahn."""
    sockets: list[Socket] = []

    def open_socket(**options: Any) -> Socket:
        sockets.append(socket := Socket(**options))
        return socket

    yield open_socket
    for socket in sockets:
        socket.end()


@pytest.fixture
def socket(opened: Callable[..., Socket]) -> Socket:
    return opened()


async def all_received(socket: Socket) -> bytes:
    """What the client reads while Twisted writes what is left."""
    data = socket.received()
    while unsent_bytes(socket.transport):
        socket.transport.doWrite()
        data += socket.received()
    return data


@pytest.mark.parametrize("value", VALUES)
async def test_the_bytes_and_the_counts_are_those_of_autobahn(
    value: str | bytes, socket: Socket, opened: Callable[..., Socket]
) -> None:
    socket.out.put_shared(shared(value))
    direct = await all_received(socket)
    other = opened()
    other.sendMessage(value.encode() if isinstance(value, str) else value, isinstance(value, bytes))
    assert direct == await all_received(other)
    assert socket.stats() == other.stats()
    assert not socket.slow
    assert not socket.cut


async def test_a_frame_is_one_write_that_watches_for_no_room(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[Any] = []
    monkeypatch.setattr(socket.reactor, "addWriter", watched.append)
    socket.out.put_shared(frame := shared("one"))
    assert socket.received() == frame.wire
    assert not watched


async def test_later_frames_of_a_turn_leave_together_and_in_order(socket: Socket) -> None:
    socket.out.put_shared(shared("1"))
    socket.out.put_shared(shared("2"))
    socket.out.put(shared("3").frame)
    socket.out.put_shared(shared("4"))
    socket.out.put(CloseSocket({"type": "websocket.close", "code": 4321, "reason": "over"}))
    socket.out.put_shared(shared("late"))
    frames = b"".join(encoded(shared(text).frame.event) for text in "1234")
    assert await all_received(socket) == frames + b"\x88\x06" + (4321).to_bytes(2) + b"over"


async def test_what_a_client_does_not_read_is_counted_and_arrives_whole(socket: Socket) -> None:
    socket.out.limits = Configuration(REPLY_BYTES_WAITING=2_000_000)
    frames = [shared(f"{number}" * 100_000) for number in range(9)]
    for frame in frames:
        socket.out.put_shared(frame)
    assert socket.out.unsent() > 100_000
    assert not socket.cut
    assert await all_received(socket) == b"".join(frame.wire for frame in frames)
    socket.out.limits = Configuration(REPLY_BYTES_WAITING=50_000)
    while not socket.cut:
        socket.out.put_shared(frames[0])


async def test_a_broken_connection_is_left_to_the_reactor(socket: Socket) -> None:
    socket.client.close()
    socket.out.put_shared(shared("one"))
    assert socket.reactor.writers == {socket.transport}  # which gets the error, and closes


async def test_a_closing_connection_is_closed_by_the_reactor(socket: Socket) -> None:
    socket.transport.loseConnection()
    socket.out.put_shared(frame := shared("the last"))
    assert socket.received() == frame.wire
    assert socket.reactor.writers == {socket.transport}


@pytest.mark.parametrize(
    "options",
    [{"autoFragmentSize": 2}, {"maskServerFrames": True}, {"logFrames": True}, {"logOctets": True}],
)
async def test_autobahn_sends_what_its_options_change(
    options: dict[str, Any], opened: Callable[..., Socket]
) -> None:
    factory_options = {key: value for key, value in options.items() if not key.startswith("log")}
    socket = opened(**factory_options)
    for key, value in options.items():
        setattr(socket, key, value)
    socket.out.put_shared(frame := shared("one"))
    assert socket.slow == 1
    assert not frame.wire
    data = await all_received(socket)
    if "autoFragmentSize" in options:
        assert data == b"\x01\x02on\x80\x01e"
    elif "maskServerFrames" not in options:
        assert data == encoded(frame.frame.event)


async def test_frames_that_daphne_drops_are_sent_by_autobahn(opened: Callable[..., Socket]) -> None:
    socket = opened(autoFragmentSize=600_000)
    socket.maxMessagePayloadSize = 1000
    for value in ("", b"", "x" * 2000, b"y" * 2000):
        socket.out.put_shared(frame := shared(value))
        assert await all_received(socket) == encoded(frame.frame.event)
    assert socket.maxMessagePayloadSize == 1000


@pytest.mark.parametrize(
    ("module", "names"),
    [(autobahn, "DIRECT_PARTS"), (autobahn, "STATS_PARTS"), (twisted, "DIRECT_PARTS")],
)
async def test_without_a_part_daphnes_own_send_is_used(
    module: Any,
    names: str,
    opened: Callable[..., Socket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts.forget()
    monkeypatch.setattr(module, names, (*getattr(module, names), "gone"))
    socket = opened()
    socket.out.put_shared(frame := shared("one"))
    assert await all_received(socket) == encoded(frame.frame.event)
    assert socket.slow == 1
    assert "gone" in caplog.text


async def test_a_daphne_that_logs_frames_sends_them_itself(
    opened: Callable[..., Socket],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "daphne.ws_protocol")
    socket = opened()
    socket.out.put_shared(shared("one"))
    assert socket.slow == 1


class Encrypted:
    """TLS between a socket and its client."""

    def __init__(self, socket: Socket, folder: Path) -> None:
        made = make_certificate(folder, "site", "localhost")
        context: Any = DefaultOpenSSLContextFactory(str(made.key), str(made.file))  # type: ignore[no-untyped-call]
        self.clock: Any = Clock()
        plain: Any = Factory.forProtocol(Protocol)
        factory = TLSMemoryBIOFactory(context, False, plain, self.clock)
        self.raw: Any = socket.transport
        self.line = socket.client
        protocol: Any = factory.buildProtocol(None)
        socket.transport = self.raw.protocol = protocol
        protocol.makeConnection(self.raw)
        trusted = ssl.create_default_context(cafile=str(made.file))
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = trusted.wrap_bio(self._in, self._out, server_hostname="localhost")
        for _ in range(5):
            with suppress(ssl.SSLWantReadError):
                self._client.do_handshake()
            self._pass_on()

    def _pass_on(self) -> None:
        if data := self._out.read():
            self.line.sendall(data)
            self.raw.doRead()
        self.clock.advance(0)
        self.raw.doWrite()
        with suppress(BlockingIOError):
            self._in.write(self.line.recv(2**20))

    def received(self) -> bytes:
        """What the client decrypts."""
        self._pass_on()
        return self._client.read(2**20)


async def test_frames_are_encrypted(socket: Socket, tmp_path: Path) -> None:
    encrypted = Encrypted(socket, tmp_path)
    for text in ("one", "two"):
        socket.out.put_shared(frame := shared(text))
        assert encrypted.received() == frame.wire
