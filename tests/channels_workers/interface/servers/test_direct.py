"""Whole frames written past the `send` of each implementation of uvicorn, to real clients."""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from channels_workers.conf import Configuration
from channels_workers.interface.actions import Accept, CloseSocket, SendFrame
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.outgoing_kinds import outgoing_for
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.uvicorn import direct
from channels_workers.interface.servers.uvicorn.outgoing import UvicornOutgoing

SIZES = (0, 1, 125, 126, 65535, 65536, 2**20)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of `--ws websockets`

LETTERS: tuple[str | bytes, ...] = ("a", "é", "\U0001f600", b"\xff")


def shared(value: str | bytes) -> SharedFrame:
    key = "text" if isinstance(value, str) else "bytes"
    length = len(value.encode() if isinstance(value, str) else value)
    return SharedFrame(SendFrame({"type": "websocket.send", key: value}, length), length)


class Room:
    """Sockets of a server in this event loop, and what goes out to each."""

    def __init__(self, implementation: Any) -> None:
        self.lines: list[UvicornOutgoing] = []
        self.overflows = 0
        self.limits = Configuration()
        self._config = uvicorn.Config(
            self._serve, interface="asgi3", ws=implementation, lifespan="off", log_config=None
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `--ws websockets` is deprecated
            self._config.load()
        self._state = ServerState()
        self.port = 0

    def make(self) -> asyncio.Protocol:
        assert self._config.ws_protocol_class is not None
        return self._config.ws_protocol_class(
            config=self._config, server_state=self._state, app_state={}
        )  # type: ignore[call-arg, return-value]

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        line = outgoing_for(send, self.limits, self._overflow)
        assert isinstance(line, UvicornOutgoing)
        line.put(Accept({"type": "websocket.accept", "subprotocol": None}))
        self.lines.append(line)
        while (await receive())["type"] != "websocket.disconnect":
            pass

    def _overflow(self) -> None:
        self.overflows += 1

    def tell(self, *values: str | bytes) -> None:
        """Send frames to everybody."""
        for value in values:
            frame = shared(value)
            for line in self.lines:
                line.put_shared(frame)

    @asynccontextmanager
    async def enter(self, compression: str | None = None) -> AsyncIterator[ClientConnection]:
        address = f"ws://127.0.0.1:{self.port}/"
        async with connect(
            address, compression=compression, max_size=None, ping_interval=None
        ) as client:
            yield client


@pytest.fixture(params=["websockets-sansio", "wsproto", "websockets"])
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    room = Room(request.param)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(room.make, "127.0.0.1", 0)
    room.port = server.sockets[0].getsockname()[1]
    yield room
    server.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[UvicornOutgoing]:
    """The lines whose server encoded a frame itself, once for each frame."""
    found: list[UvicornOutgoing] = []
    put = UvicornOutgoing.put

    def note(line: UvicornOutgoing, action: Any) -> None:
        if isinstance(action, SendFrame):
            found.append(line)
        put(line, action)

    monkeypatch.setattr(UvicornOutgoing, "put", note)
    return found


async def test_frames_of_every_size_arrive_whole_with_and_without_compression(
    room: Room, slow: list[UvicornOutgoing]
) -> None:
    async with room.enter() as plain, room.enter("deflate") as deflated:
        for letter in LETTERS:
            for size in SIZES:
                value = letter * (size // len(letter.encode() if isinstance(letter, str) else b"x"))
                room.tell(value)
                assert await plain.recv() == value
                assert await deflated.recv() == value
        assert set(slow) == {room.lines[1]}
        assert len(slow) == len(LETTERS) * len(SIZES)
        traffic = room.lines[0].traffic
        assert traffic.frames_sent == len(slow)
        assert traffic.sent_bytes == room.lines[1].traffic.sent_bytes


async def test_a_frame_is_encoded_once_for_all(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[SharedFrame] = []
    encode = SharedFrame.encode

    def note(frame: SharedFrame) -> bytes:
        made.append(frame)
        return encode(frame)

    monkeypatch.setattr(SharedFrame, "encode", note)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(room.enter()) for _ in range(5)]
        room.tell("one")
        assert [await client.recv() for client in clients] == ["one"] * 5
        assert len(made) == 1


async def test_frames_keep_their_order_among_other_sends(room: Room) -> None:
    async with room.enter() as client:
        (line,) = room.lines
        room.tell("1")
        line.put(shared("2").frame)
        room.tell("3")
        line.put(CloseSocket({"type": "websocket.close", "code": 4321, "reason": "over"}))
        assert [await client.recv() for _ in range(3)] == ["1", "2", "3"]
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4321
        room.tell("late")  # is no error


async def test_a_client_that_does_not_read_fills_its_queue_and_gets_all_in_order(
    room: Room,
) -> None:
    room.limits = Configuration(REPLIES_WAITING=4)
    async with room.enter() as client:
        client.transport.pause_reading()
        (line,) = room.lines
        sent = []
        while line.writer is None:
            sent.append(f"{len(sent):06}" + "x" * 60_000)
            room.tell(sent[-1])
            await asyncio.sleep(0)
        while not room.overflows:
            sent.append(f"{len(sent):06}")
            room.tell(sent[-1])
        client.transport.resume_reading()
        assert [await client.recv() for _ in sent] == sent
        room.tell("then")
        assert await client.recv() == "then"


async def test_a_client_that_was_cut_is_no_error(room: Room) -> None:
    async with room.enter() as client:
        (line,) = room.lines
        room.tell("one")
        assert await client.recv() == "one"
        line.cut()
        room.tell("two")
        with pytest.raises(ConnectionClosed):
            await client.recv()
        room.tell("three")


@pytest.mark.parametrize("names", ["SANSIO_PARTS", "CONN_PARTS"])
@pytest.mark.parametrize("room", ["websockets-sansio"], indirect=True)
async def test_without_a_part_of_websockets_its_own_send_is_used(
    names: str,
    room: Room,
    slow: list[UvicornOutgoing],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(direct, names, (*getattr(direct, names), "gone"))
    await arrives_slowly(room, slow, caplog)


@pytest.mark.parametrize("names", ["WSPROTO_PARTS", "CONNECTION_PARTS", "PROTO_PARTS"])
@pytest.mark.parametrize("room", ["wsproto"], indirect=True)
async def test_without_a_part_of_wsproto_its_own_send_is_used(
    names: str,
    room: Room,
    slow: list[UvicornOutgoing],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    direct.missing_of_wsproto.cache_clear()
    monkeypatch.setattr(direct, names, (*getattr(direct, names), "gone"))
    await arrives_slowly(room, slow, caplog)
    direct.missing_of_wsproto.cache_clear()


@pytest.mark.parametrize("room", ["websockets"], indirect=True)
async def test_without_a_part_of_the_older_websockets_its_own_send_is_used(
    room: Room,
    slow: list[UvicornOutgoing],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(direct, "LEGACY_PARTS", (*direct.LEGACY_PARTS, "gone"))
    await arrives_slowly(room, slow, caplog)


async def arrives_slowly(
    room: Room, slow: list[UvicornOutgoing], caplog: pytest.LogCaptureFixture
) -> None:
    parts.forget()
    async with room.enter() as client:
        room.tell("one")
        assert await client.recv() == "one"
    assert len(slow) == 1
    assert "gone" in caplog.text


@pytest.mark.parametrize("room", ["websockets-sansio", "websockets"], indirect=True)
async def test_a_server_that_logs_frames_sends_them_itself(
    room: Room, slow: list[UvicornOutgoing], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "uvicorn.error")
    async with room.enter() as client:
        room.tell("one")
        assert await client.recv() == "one"
    assert len(slow) == 1
    assert "> TEXT 'one' [3 bytes]" in caplog.text


def test_an_unknown_implementation_keeps_its_own_send() -> None:
    class Protocol:
        """Nothing is known of it."""

    assert direct.writer_for(Protocol()) is None
