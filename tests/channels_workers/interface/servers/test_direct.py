"""Whole frames written past the `send` of each implementation of uvicorn, to real clients."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from channels_workers.conf import Configuration
from channels_workers.interface.actions import CloseSocket
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.uvicorn import direct
from channels_workers.interface.servers.uvicorn.outgoing import UvicornOutgoing
from tests.channels_workers.interface.servers.uvicorn_room import Room, shared

SIZES = (0, 1, 125, 126, 65535, 65536, 2**20)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of `--ws websockets`

LETTERS: tuple[str | bytes, ...] = ("a", "é", "\U0001f600", b"\xff")


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
        assert slow == []
        one, other = (line.traffic for line in room.lines)
        assert one.frames_sent == other.frames_sent == len(LETTERS) * len(SIZES)
        assert one.sent_bytes == other.sent_bytes


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
