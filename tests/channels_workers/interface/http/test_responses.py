"""Responses in transit, on made-up servers: one that waits and one that fails."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.interface.http import responses as module
from channels_workers.interface.http.responses import (
    PIECE,
    STREAM_BYTES,
    Answer,
    Answers,
    UnknownTransport,
    pieces,
)
from channels_workers.interface.http.slots import Place, Places
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.kernel import unread_bytes
from channels_workers.interface.types import Event

START: Event = {"type": "http.response.start", "status": 200, "headers": []}


def body(data: bytes, more: bool = False) -> Event:
    return {"type": "http.response.body", "body": data, "more_body": more}


class Client:
    """A server's `send` to a client that reads on command."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reads = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self, event: Event) -> None:
        await self.reads.wait()
        if self.failure:
            raise self.failure
        self.events.append(event)

    @property
    def data(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.events)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async def never() -> None:
        await asyncio.Event().wait()

    place = await Places().take(never)
    assert place is not None
    yield place
    place.leave()


def test_pieces_add_up_to_the_whole() -> None:
    data = bytes(range(256)) * 1000
    for more in (True, False):
        cut = [*pieces(body(data, more))]
        assert b"".join(each["body"] for each in cut) == data
        assert max(len(each["body"]) for each in cut) == PIECE
        assert [each["more_body"] for each in cut] == [True] * (len(cut) - 1) + [more]
    assert [*pieces(START)] == [START]
    assert [*pieces(body(b""))] == [body(b"")]


async def test_a_complete_response_is_taken_over_for_a_slow_reader(place: Place) -> None:
    client, answers = Client(), Answers()
    answer = Answer(client, answers, place)
    async with asyncio.timeout(60):
        await answer.send(START)
        for number in range(20):
            await answer.send(body(b"x" * PIECE, more=number < 19))
    assert answers.queued == 20 * PIECE
    client.reads.set()
    await answer.finish()
    assert len(client.data) == 20 * PIECE
    assert client.events[0] == START
    answer.close()
    assert answers.queued == 0


async def test_what_waits_in_front_of_an_answer_is_counted(place: Place) -> None:
    client, answers = Client(), Answers()
    answer, other = Answer(client, answers, place), Answer(Client(), answers, place)
    [reader, _] = answers.readers.values()
    answer.hold(5000)
    other.hold(300)
    assert (answers.queued, reader.queued, reader.waiting) == (5300, 5000, 5000)
    assert reader.put - reader.queued == 0  # as nothing of it was read
    answer.let_go(2000)
    assert (answers.queued, reader.queued, reader.put) == (3300, 3000, 3000)
    answer.cut()
    assert (answers.queued, reader.queued, answer.is_cut, other.is_cut) == (300, 0, True, False)
    answer.hold(100)
    answer.let_go(3100)
    assert (answers.queued, reader.queued) == (300, 0)
    other.let_go(300)
    for each in (answer, other):
        each.close()
    assert answers.queued == 0


async def test_an_answer_that_overflows_is_cut_with_a_line_in_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Answer(Client(), Answers(), place)
    answer.overflow("it waits")
    assert answer.is_cut
    assert "reads its answers slowest: it waits" in caplog.text
    answer.close()


async def test_a_stream_waits_for_its_client_and_frees_its_slot(place: Place) -> None:
    client, answers = Client(), Answers()
    answer = Answer(client, answers, place)

    async def stream() -> None:
        await answer.send(START)
        for _ in range(100):
            await answer.send(body(b"x" * PIECE, more=True))
            await asyncio.sleep(0)
        await answer.send(body(b""))

    streaming = asyncio.create_task(stream())
    await asyncio.wait([streaming], timeout=0.1)
    assert not streaming.done()
    assert STREAM_BYTES < answers.queued <= STREAM_BYTES + PIECE
    assert place._is_stream
    client.reads.set()
    await streaming
    await answer.finish()
    assert len(client.data) == 100 * PIECE
    answer.close()
    assert answers.queued == 0


async def test_a_server_error_reaches_the_application(place: Place) -> None:
    client, answers = Client(), Answers()
    client.failure = RuntimeError("Response content longer than Content-Length")
    answer = Answer(client, answers, place)
    await answer.send(START)
    client.reads.set()
    with pytest.raises(RuntimeError, match="longer than"):
        await answer.finish()
    with pytest.raises(RuntimeError, match="longer than"):
        await answer.send(body(b"x"))
    answer.close()
    gc.collect()  # no task reports an unretrieved exception


async def test_exceeding_the_total_cuts_the_client_that_has_not_read_for_longest(
    place: Place, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHANNEL_WORKERS = {
        "ANSWER_BYTES_WAITING": 4 * PIECE,
        "ALL_ANSWER_BYTES_WAITING": 10 * PIECE,
    }
    answers, taken = Answers(), []
    for _ in range(4):
        answer = Answer(Client(), answers, place)
        taken.append(answer)
        await answer.send(START)
        await answer.send(body(b"x" * 3 * PIECE, more=True))
    assert [answer._reader.is_cut for answer in taken] == [True, False, False, False]
    assert answers.queued == 9 * PIECE
    await taken[0].send(body(b"more"))  # is discarded
    await taken[0].finish()
    assert [record.event for record in caplog.records] == ["answer_cut"]  # type: ignore[attr-defined]
    for answer in taken:
        answer.close()
    assert answers.queued == 0


async def test_only_clients_that_do_not_read_at_all_are_cut(
    place: Place, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_WORKERS = {"ANSWER_TIMEOUT": 10}
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    answers = Answers()
    deaf, slow = (Answer(Client(), answers, place) for _ in range(2))
    for answer in (deaf, slow):
        await answer.send(START)
        await answer.send(body(b"x" * 4 * PIECE))
    for _ in range(30):
        now[0] += 1
        slow._reader.put += 1024  # as if this much had been sent
        answers._look()
    assert (deaf._reader.is_cut, slow._reader.is_cut) == (True, False)
    for answer in (deaf, slow):
        answer.close()
    answers._look()
    assert not answers.readers
    assert answers._looking is None or not answers.readers


async def test_a_cancelled_application_leaves_nothing_behind(place: Place) -> None:
    answers = Answers()
    answer = Answer(Client(), answers, place)

    async def application() -> None:
        try:
            await answer.send(START)
            await answer.send(body(b"x" * 10 * PIECE))
            await answer.finish()
        finally:
            answer.close()

    running: asyncio.Task[Any] = asyncio.create_task(application())
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert answers.queued == 0


# Connections of servers


def daphne_send(request: Any) -> Any:
    """What Daphne passes as `send` for a request."""

    class Server:
        __module__ = "daphne.server"

        def handle_reply(self, protocol: Any, message: Any) -> None:
            raise NotImplementedError

    return partial(Server().handle_reply, request)


def test_a_daphne_request_without_its_parts_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_reported", set())

    class Request:
        transport = None

    for _ in range(2):
        assert isinstance(module.transport_behind(daphne_send(Request())), UnknownTransport)
    assert [record.event for record in caplog.records] == ["feature_missing"]  # type: ignore[attr-defined]
    assert "registerProducer" in caplog.text


def test_data_in_the_kernels_buffer_counts_as_unread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            assert unread_bytes(accepted) == 0
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            accepted.setblocking(False)
            sent = 0
            with suppress(BlockingIOError):
                while True:
                    sent += accepted.send(b"x" * PIECE)
            assert 0 < unread_bytes(accepted) <= sent
        assert unread_bytes(accepted) == 0  # it is closed
    assert unread_bytes(None) == 0
