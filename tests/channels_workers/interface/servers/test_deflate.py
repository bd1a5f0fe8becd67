"""Frames of groups for real clients that read compressed ones, beside what uvicorn compresses."""

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from wsproto.extensions import PerMessageDeflate as OfWsproto

from channels_workers.interface.frames import (
    COMPRESSED,
    COMPRESSED_FROM,
    WINDOW_BITS,
    SharedFrame,
)
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.uvicorn import deflate
from channels_workers.interface.servers.uvicorn.deflate import Known
from channels_workers.interface.servers.uvicorn.gate import UvicornGate
from channels_workers.interface.servers.uvicorn.outgoing import UvicornOutgoing
from tests.channels_workers.interface.servers.uvicorn_room import Room, shared

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of `--ws websockets`

OFFERS = {
    "all": Offer(),
    "window of 512 bytes": Offer(server_max_window_bits=9, client_max_window_bits=9),
    "window of 4 KiB": Offer(server_max_window_bits=12, client_max_window_bits=True),
    "no context": Offer(server_no_context_takeover=True, client_no_context_takeover=True),
}

words = random.Random(1)


def long_frame() -> SharedFrame:
    return shared("hello again " * 100)


#: What compresses well, badly, and not at all, below and above the length from which it is tried.
TEXTS = (
    "short",
    '{"type": "message", "text": "%s"}' % ("hello again " * 100),
    "".join(words.choices("abcdefghijklmnop ", k=700)),
    "é" * 20_000,
    words.randbytes(2_000),
    b"",
)


@pytest.mark.parametrize("name", OFFERS)
async def test_frames_of_groups_and_others_arrive_whatever_came_before(
    name: str, room: Room
) -> None:
    async with room.enter(extensions=[OFFERS[name]]) as client:
        (line,) = room.lines
        order = words.choices(range(2 * len(TEXTS)), k=120)
        for number in order:
            value = TEXTS[number // 2]
            if number % 2:
                room.tell(value)
            else:
                line.put(shared(value).frame)
        assert [await client.recv() for _ in order] == [TEXTS[number // 2] for number in order]


MESSAGES = st.lists(
    st.tuples(st.booleans(), st.integers(0, 900), st.sampled_from(["hello again ", "x", "noise"])),
    max_size=30,
)


@settings(deadline=None)
@given(MESSAGES, st.booleans(), st.booleans(), st.booleans())
def test_random_messages_are_read_whatever_was_compressed_how(
    messages: list[tuple[bool, int, str]], keeps: bool, client_keeps: bool, forgets: bool
) -> None:
    server = PerMessageDeflate(not client_keeps, not keeps, 12, 12, {"memLevel": 5})
    client = PerMessageDeflate(not keeps, not client_keeps, 12, 12)
    if forgets:
        deflate.forget([server])
    for is_shared, size, kind in messages:
        noise = random.Random(size).randbytes(size)
        value = noise if kind == "noise" else (kind.encode() * size)[:size]
        if is_shared:
            wire = deflate.wire_for([server], shared(value))
            assert wire is not None
            head = 2 if wire[1] < 126 else 4
            sent = Frame(Opcode.BINARY, wire[head:], rsv1=bool(wire[0] & COMPRESSED))
        else:
            sent = server.encode(Frame(Opcode.BINARY, value))
        assert bytes(client.decode(sent).data) == value
        answer = client.encode(Frame(Opcode.BINARY, value[::-1]))
        assert bytes(server.decode(answer).data) == value[::-1]


@pytest.mark.parametrize(
    ("value", "is_compressed"),
    [
        ("a" * (COMPRESSED_FROM - 1), False),
        ("a" * COMPRESSED_FROM, True),
        (words.randbytes(2_000), False),
    ],
)
def test_what_would_not_be_shorter_goes_out_as_it_is(
    value: str | bytes, is_compressed: bool
) -> None:
    frame = shared(value)
    wire = frame.deflate()
    assert bool(wire[0] & COMPRESSED) is is_compressed
    assert (len(wire) < frame.length) is is_compressed


def test_a_frame_is_compressed_as_the_first_one_of_a_socket() -> None:
    """So it takes no more memory: levels of memory show in where blocks end."""
    text = "".join(words.choices("abcdefgh ", k=2**16))
    extension = PerMessageDeflate(False, False, 12, 12, {"memLevel": 5})
    wire = shared(text).deflate()
    assert wire.endswith(bytes(extension.encode(Frame(Opcode.TEXT, text.encode())).data))


async def test_a_frame_is_compressed_once_for_all(
    room: Room, slow: list[UvicornOutgoing], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[SharedFrame] = []
    compress = SharedFrame.deflate

    def note(frame: SharedFrame) -> bytes:
        found.append(frame)
        return compress(frame)

    monkeypatch.setattr(SharedFrame, "deflate", note)
    async with room.enter("deflate") as one, room.enter("deflate") as two:
        room.tell(*TEXTS)
        for client in (one, two):
            assert [await client.recv() for _ in TEXTS] == list(TEXTS)
    assert len(found) == len(TEXTS)
    assert slow == []


async def test_a_frame_for_one_client_is_left_to_its_server(
    room: Room, slow: list[UvicornOutgoing]
) -> None:
    async with room.enter("deflate") as client:
        room.lines[0].put_shared(shared("one", to_group=False))
        assert await client.recv() == "one"
    assert slow == room.lines


@pytest.mark.parametrize("room", ["websockets-sansio"], indirect=True)
async def test_compressors_are_there_once_they_are_needed(room: Room) -> None:
    async with room.enter("deflate") as client:
        (line,) = room.lines
        (extension,) = line._protocol.conn.extensions
        UvicornGate(line.send, 1_000_000, lambda: None, lambda: None).open()
        assert not {"encoder", "decoder"} & vars(extension).keys()
        deflate.forget([extension])  # a second time is no error
        room.tell(*TEXTS)
        assert [await client.recv() for _ in TEXTS] == list(TEXTS)
        assert not {"encoder", "decoder"} & vars(extension).keys()
        line.put(shared("one").frame)
        await client.send("two")
        assert await client.recv() == "one"
        assert vars(extension).keys() >= {"encoder"}
        with pytest.raises(AttributeError, match="has no attribute 'coder'"):
            _ = extension.coder


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_a_compressor_that_comes_back_is_as_it_was(bits: int) -> None:
    data = "".join(words.choices("abcdefgh ", k=2**15)).encode()
    plain, back = (PerMessageDeflate(False, False, 15, bits, {"memLevel": 5}) for _ in range(2))
    deflate.forget([back])
    for each in (data, data[2**14 :], data[: 2**14]):  # it would find these in a larger window
        frame = Frame(Opcode.BINARY, each)
        assert bytes(back.encode(frame).data) == bytes(plain.encode(frame).data)


def test_other_extensions_keep_what_they_have() -> None:
    extension = Strange(False, False, 12, 12)
    deflate.forget([extension])
    assert vars(extension).keys() >= {"encoder", "decoder"}


class Strange(PerMessageDeflate):
    """Who knows what it does?"""


@pytest.mark.parametrize("names", [["Strange"], ["Strange", "known"], ["known", "Strange"]])
def test_unknown_extensions_are_left_to_their_server(names: list[str]) -> None:
    kinds = {"known": PerMessageDeflate, "Strange": Strange}
    assert (
        deflate.wire_for([kinds[name](False, False, 12, 12) for name in names], long_frame())
        is None
    )


def of_websockets(bits: int) -> Any:
    return PerMessageDeflate(False, False, 24 - bits, bits)


def of_wsproto(bits: int) -> Any:
    return OfWsproto(client_max_window_bits=24 - bits, server_max_window_bits=bits)


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("make", [of_websockets, of_wsproto])
def test_a_client_with_a_smaller_window_gets_frames_as_they_are(
    make: Callable[[int], Any], bits: int
) -> None:
    frame = long_frame()
    wire = deflate.wire_for([make(bits)], frame)
    assert wire is (frame.deflated if bits >= WINDOW_BITS else frame.wire)
    assert wire
    assert bool(wire[0] & COMPRESSED) is (bits >= WINDOW_BITS)
    assert deflate.wire_for([make(bits)], frame) is wire


def test_what_an_extension_has_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    owners: list[object] = []

    def note(owner: object, names: Iterable[str]) -> list[str]:
        owners.append(owner)
        return []

    monkeypatch.setattr(deflate, "_looks", dict[Any, Any]())
    monkeypatch.setattr(parts, "missing", note)
    for _ in range(2):
        deflate.wire_for([of_websockets(12)], long_frame())
    assert len(owners) == 1


def test_a_compressed_frame_looks_back_no_further_than_its_window() -> None:
    noise = words.randbytes(2**WINDOW_BITS)
    assert not shared(noise + noise).deflate()[0] & COMPRESSED
    assert shared(noise[:2_000] * 2).deflate()[0] & COMPRESSED


def gone(known: Known) -> Known:
    return known._replace(names=(*known.names, "gone"))


def changed(known: Known) -> Known:
    return known._replace(arguments=(*known.arguments, *range(9)))


@pytest.mark.parametrize(
    ("change", "lacks"), [(gone, "gone"), (changed, "constructor for 13 arguments")]
)
@pytest.mark.parametrize("room", ["websockets-sansio"], indirect=True)
async def test_without_a_part_of_the_extension_its_server_compresses(
    change: Callable[[Known], Known],
    lacks: str,
    room: Room,
    slow: list[UvicornOutgoing],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = {name: change(one) for name, one in deflate.KNOWN.items()}
    monkeypatch.setattr(deflate, "KNOWN", known)
    monkeypatch.setattr(deflate, "_looks", dict[Any, Any]())
    parts.forget()
    async with room.enter("deflate") as client:
        room.tell("one")
        assert await client.recv() == "one"
    assert len(slow) == 1
    assert f"permessage-deflate of websockets has no {lacks}" in caplog.text


class Renamed(PerMessageDeflate):
    """Keeps its compressor under another name, as a later version may."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__("compressor" if name == "encoder" else name, value)


class Slotted:
    """Has all names, and no dictionary for them."""

    __slots__ = tuple(name for name in deflate.WEBSOCKETS_PARTS if name != "__dict__")

    def __init__(self, *_: object) -> None:
        for name in self.__slots__:
            setattr(self, name, None)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("kind", [Renamed, Slotted])
def test_a_compressor_that_is_not_found_is_left_to_its_server(
    kind: type, keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (known,) = (one for one in deflate.KNOWN.values() if one.package == "websockets")
    name = f"{kind.__module__}.{kind.__qualname__}"
    monkeypatch.setattr(deflate, "KNOWN", {name: known})
    monkeypatch.setattr(deflate, "_looks", dict[Any, Any]())
    extension = kind(False, not keeps, 12, 12)
    deflate.forget([extension])
    assert type(extension) is kind
    assert deflate.wire_for([extension], long_frame()) is None
