"""How the responses of views go out: with the commit, or in pieces."""

import asyncio
import io
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse

from channels_workers.conf import Configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.flow import CHUNK, INLINE_RESPONSE, WINDOW, WINDOW_PIECES
from channels_workers.handler import AsgiHandler, ViewConsumer
from channels_workers.http import mailbox, responses
from channels_workers.http import views as sending
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import REQUEST, Committed
from tests.channels_workers.conftest import RunNext, Views
from tests.channels_workers.consumers import TIMEOUT
from tests.channels_workers.http.conftest import RunWorker
from tests.channels_workers.http.server import Exchange

# Signals around a request clean up database connections.
pytestmark = pytest.mark.django_db

PARTS = [b"first", b"", b"second", b"third" * 10]


class Parts:
    """Parts of a response, by both kinds of iterators, and whether they were closed."""

    def __init__(self, *parts: bytes | Callable[[], object]) -> None:
        self.parts = parts
        self.count = 0
        self.closed = threading.Event()

    def sync(self) -> Iterator[bytes]:
        try:
            for part in self.parts:
                self.count += 1
                yield part if isinstance(part, bytes) else self._called(part)
        finally:
            self.closed.set()

    async def asynchronous(self) -> AsyncIterator[bytes]:
        try:
            for part in self.parts:
                self.count += 1
                is_plain = isinstance(part, bytes)
                yield part if is_plain else await asyncio.to_thread(self._called, part)
        finally:
            self.closed.set()

    def _called(self, part: Callable[[], object]) -> bytes:
        part()
        return b"called"

    def response(self, is_async: bool) -> StreamingHttpResponse:
        return StreamingHttpResponse(self.asynchronous() if is_async else self.sync())


both = pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])


@pytest.fixture
def exchange(memory_layer: InMemoryChannelLayer) -> Exchange:
    return Exchange(memory_layer)


def answer(exchange: Exchange, run_next: RunNext, **content: Any) -> None:
    exchange.publish(**content)
    assert run_next(ViewConsumer(), REQUEST) is Committed.DONE
    exchange.until_released()


@pytest.mark.parametrize("size", [0, 1, INLINE_RESPONSE])
def test_a_small_response_goes_out_with_the_commit_and_ends_the_request(
    exchange: Exchange, views: Views, run_next: RunNext, size: int
) -> None:
    views(lambda request: HttpResponse(bytes(size), status=201, headers={"X-One": "1"}))
    answer(exchange, run_next)
    [content] = exchange.contents
    assert content == {
        "status": 201,
        "headers": [[b"X-One", b"1"], [b"Content-Type", b"text/html; charset=utf-8"]],
        "content": bytes(size),
        "more_content": False,
    }
    assert exchange.has_ended
    assert not exchange.released


def test_a_large_response_goes_out_in_chunks(
    exchange: Exchange, views: Views, run_next: RunNext
) -> None:
    body = os.urandom(3 * CHUNK + 1)
    views(lambda request: HttpResponse(body))
    answer(exchange, run_next)
    assert exchange.response == body
    assert [len(each["content"]) for each in exchange.contents] == [CHUNK, CHUNK, CHUNK, 1]
    assert [each["at"] for each in exchange.contents] == [0, CHUNK, 2 * CHUNK, 3 * CHUNK]
    assert len({each["run"] for each in exchange.contents}) == 1
    assert [each.get("is_finished") for each in exchange.contents] == [True, True, True, None]
    assert exchange.is_complete
    assert exchange.has_ended


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (INLINE_RESPONSE + 1, [1, INLINE_RESPONSE]),
        (CHUNK, [CHUNK - INLINE_RESPONSE, INLINE_RESPONSE]),
        (2 * CHUNK, [CHUNK, CHUNK - INLINE_RESPONSE, INLINE_RESPONSE]),
    ],
)
def test_a_commit_takes_little_of_a_large_response(
    exchange: Exchange, views: Views, run_next: RunNext, size: int, sizes: list[int]
) -> None:
    body = os.urandom(size)
    views(lambda request: HttpResponse(body))
    answer(exchange, run_next)
    assert exchange.response == body
    assert [len(each["content"]) for each in exchange.contents] == sizes
    assert [each["more_content"] for each in exchange.contents] == [True] * len(sizes[1:]) + [False]
    assert exchange.has_ended


def test_commits_that_wait_do_not_fill_an_inbox() -> None:
    # A server marked as dead for its inbox closes all sockets.
    assert Configuration().REQUESTS_WAITING * INLINE_RESPONSE <= Configuration().INBOX_BYTES / 2


@both
def test_a_stream_goes_out_part_by_part(
    exchange: Exchange, views: Views, run_next: RunNext, is_async: bool
) -> None:
    parts = Parts(*PARTS)
    views(lambda request: parts.response(is_async))
    answer(exchange, run_next)
    assert [each["content"] for each in exchange.contents] == [*filter(None, PARTS), b""]
    assert [each["more_content"] for each in exchange.contents] == [True] * 3 + [False]
    assert ["status" in each for each in exchange.contents] == [True] + [False] * 3
    assert not any("is_finished" in each for each in exchange.contents)  # the view makes it
    assert exchange.has_ended
    assert parts.closed.is_set()


@both
def test_a_part_goes_out_before_the_next_is_made(
    exchange: Exchange, views: Views, run_worker: RunWorker, is_async: bool
) -> None:
    parts = Parts(b"one", lambda: exchange.until(lambda: exchange.response == b"one"), b"two")
    views(lambda request: parts.response(is_async))
    run_worker()
    exchange.publish()
    exchange.until(lambda: exchange.has_ended)
    assert exchange.response == b"onecalledtwo"


@both
def test_the_end_of_a_stream_goes_out_with_the_commit(
    exchange: Exchange,
    memory_layer: InMemoryChannelLayer,
    views: Views,
    run_next: RunNext,
    monkeypatch: pytest.MonkeyPatch,
    is_async: bool,
) -> None:
    seen: list[bool] = []
    commit = memory_layer.commit
    monkeypatch.setattr(
        memory_layer, "commit", lambda it: seen.append(exchange.is_complete) or commit(it)
    )
    views(lambda request: Parts(*PARTS).response(is_async))
    answer(exchange, run_next)
    assert seen == [False]
    assert exchange.is_complete


@pytest.mark.parametrize(
    ("size", "count"),
    [(0, 1), (9, 1), (INLINE_RESPONSE, 1), (INLINE_RESPONSE + 1, 2), (CHUNK + 1, 3)],
)
def test_a_file_is_read_in_chunks(
    exchange: Exchange, views: Views, run_next: RunNext, size: int, count: int
) -> None:
    file = io.BytesIO(os.urandom(size))
    body = file.getvalue()
    views(lambda request: FileResponse(file, filename="film.bin"))
    answer(exchange, run_next)
    assert exchange.response == body
    assert len(exchange.contents) == count
    assert [b"Content-Length", b"%d" % size] in exchange.contents[0]["headers"]
    assert file.closed


@both
def test_a_slow_client_holds_the_consumer_back(
    exchange: Exchange, views: Views, run_worker: RunWorker, is_async: bool
) -> None:
    exchange.is_slow = True
    parts = Parts(*[os.urandom(CHUNK) for _ in range(12)])
    views(lambda request: parts.response(is_async))
    run_worker()
    exchange.publish()
    taken = 0
    while taken < 12 * CHUNK:
        expected = min(12 * CHUNK, taken + WINDOW + CHUNK)
        exchange.until(lambda goal=expected: exchange.reached == goal)  # type: ignore[misc]
        exchange.take()
        taken = exchange.reached
        assert parts.count <= taken // CHUNK + 1
    exchange.until(lambda: exchange.has_ended)
    assert exchange.response == b"".join(each for each in parts.parts if isinstance(each, bytes))


@both
def test_few_pieces_are_on_the_way_however_small(
    exchange: Exchange,
    views: Views,
    run_worker: RunWorker,
    monkeypatch: pytest.MonkeyPatch,
    is_async: bool,
) -> None:
    be_quick(monkeypatch)
    exchange.is_slow = True
    count = 2 * WINDOW_PIECES
    views(lambda request: Parts(*[b"x"] * count).response(is_async))
    run_worker()
    exchange.publish()
    exchange.until(lambda: any(each["content"] == b"" for each in exchange.contents))
    asking = next(each for each in exchange.contents if each["content"] == b"")
    assert (asking["at"], asking["more_content"]) == (WINDOW_PIECES + 1, True)  # it waits
    exchange.is_slow = False
    exchange.take()
    exchange.until(lambda: exchange.has_ended)
    assert exchange.response == b"x" * count


@both
def test_an_empty_part_is_not_sent(
    exchange: Exchange, views: Views, run_next: RunNext, is_async: bool
) -> None:
    views(lambda request: Parts(b"", b"", b"x", b"").response(is_async))
    answer(exchange, run_next)
    assert [each["content"] for each in exchange.contents] == [b"", b"x", b""]
    assert exchange.contents[0]["status"] == 200  # it has begun


@both
def test_what_the_client_took_is_asked_for_again(
    exchange: Exchange,
    views: Views,
    run_worker: RunWorker,
    monkeypatch: pytest.MonkeyPatch,
    is_async: bool,
) -> None:
    be_quick(monkeypatch)
    exchange.is_slow = True
    views(lambda request: Parts(bytes(2 * WINDOW), bytes(WINDOW)).response(is_async))
    run_worker()
    exchange.publish()
    exchange.until(lambda: any(each["content"] == b"" for each in exchange.contents))
    asking = next(each for each in exchange.contents if each["content"] == b"")
    assert asking == {
        "content": b"",
        "more_content": True,
        "run": exchange.contents[0]["run"],
        "at": WINDOW + CHUNK,
    }
    exchange.is_slow = False
    exchange.take()
    exchange.until(lambda: exchange.has_ended)
    assert exchange.response == bytes(3 * WINDOW)


@both
def test_a_client_that_goes_ends_the_stream(
    exchange: Exchange,
    views: Views,
    run_worker: RunWorker,
    caplog: pytest.LogCaptureFixture,
    is_async: bool,
) -> None:
    exchange.is_slow = True
    parts = Parts(*[bytes(CHUNK)] * 99)
    views(lambda request: parts.response(is_async))
    run_worker()
    exchange.publish()
    exchange.until(lambda: exchange.reached == WINDOW + CHUNK)
    exchange.go()
    assert parts.closed.wait(TIMEOUT)
    exchange.until(lambda: exchange.waits_to_end)
    assert exchange.reached == WINDOW + CHUNK
    assert parts.count == 5
    assert caplog.records == []


@both
def test_a_client_that_goes_is_noticed_without_being_told(
    exchange: Exchange,
    views: Views,
    run_worker: RunWorker,
    monkeypatch: pytest.MonkeyPatch,
    is_async: bool,
) -> None:
    be_quick(monkeypatch)
    exchange.is_slow = True
    parts = Parts(*[bytes(CHUNK)] * 99)
    views(lambda request: parts.response(is_async))
    run_worker()
    exchange.publish()
    exchange.until(lambda: exchange.reached == WINDOW + CHUNK)
    exchange.layer.store.records.clear()  # type: ignore[attr-defined]
    assert parts.closed.wait(TIMEOUT)


@both
def test_a_quiet_stream_ends_when_its_client_goes(
    exchange: Exchange,
    views: Views,
    run_worker: RunWorker,
    monkeypatch: pytest.MonkeyPatch,
    is_async: bool,
) -> None:
    monkeypatch.setattr(responses, "LISTEN_TIMEOUT", 0.0)
    exchange.is_slow = True
    parts = Parts(b"one", exchange.go, *[b"more"] * 99)
    views(lambda request: parts.response(is_async))
    run_worker()
    exchange.publish()
    assert parts.closed.wait(TIMEOUT)
    assert parts.count == 2
    assert exchange.response == b"one"


def test_an_async_stream_that_waits_for_news_ends_when_its_client_goes(
    exchange: Exchange, views: Views, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "LISTEN_TIMEOUT", 0.01)
    monkeypatch.setattr(responses, "LISTEN_TIMEOUT", 0.0)
    closed = threading.Event()

    async def news() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            closed.set()

    views(lambda request: StreamingHttpResponse(news()))
    run_worker()
    exchange.publish()
    exchange.until(lambda: exchange.contents)
    exchange.go()
    assert closed.wait(TIMEOUT)
    exchange.until(lambda: exchange.waits_to_end)


def test_an_async_stream_is_made_in_one_task(
    exchange: Exchange, views: Views, run_next: RunNext
) -> None:
    tasks: list[Any] = []

    async def parts() -> AsyncIterator[bytes]:
        try:
            for part in PARTS:
                tasks.append(asyncio.current_task())
                yield part
        finally:
            tasks.append(asyncio.current_task())

    views(lambda request: StreamingHttpResponse(parts()))
    answer(exchange, run_next)
    assert exchange.response == b"".join(PARTS)
    assert len(tasks) == len(PARTS) + 1
    assert len(set(tasks)) == 1


def test_an_async_stream_that_is_left_is_closed_in_the_task_that_made_it(
    exchange: Exchange, views: Views, run_worker: RunWorker
) -> None:
    exchange.is_slow = True
    tasks: list[Any] = []
    closed = threading.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                tasks.append(asyncio.current_task())
                yield bytes(CHUNK)
        finally:
            tasks.append(asyncio.current_task())
            closed.set()

    views(lambda request: StreamingHttpResponse(parts()))
    run_worker()
    exchange.publish()
    exchange.until(lambda: exchange.reached == WINDOW + CHUNK)
    exchange.go()
    assert closed.wait(TIMEOUT)
    exchange.until(lambda: exchange.waits_to_end)
    assert len(set(tasks)) == 1


def test_an_async_stream_may_limit_its_time(
    exchange: Exchange, views: Views, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        async with asyncio.timeout(0.02):
            yield b"one"
            await asyncio.sleep(TIMEOUT)

    views(lambda request: StreamingHttpResponse(parts()))
    answer(exchange, run_next)
    assert [each.get("status") for each in exchange.contents] == [200, 500]
    assert "TimeoutError" in caplog.text


@both
def test_a_stream_that_fails_is_cut(
    exchange: Exchange,
    views: Views,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
    is_async: bool,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    parts = Parts(b"one", fail)
    views(lambda request: parts.response(is_async))
    answer(exchange, run_next)
    first, last = exchange.contents
    assert (first["content"], first["status"], first["more_content"]) == (b"one", 200, True)
    # A server cuts the connection after a second status.
    assert last["status"] == 500
    assert "run" not in last
    [record] = caplog.records
    assert "ResponseBroken: The response broke off after 3 bytes." in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert record.event == "consumer_failed"  # type: ignore[attr-defined]
    assert parts.closed.is_set()


@both
def test_a_stream_that_fails_at_once_is_answered_500(
    exchange: Exchange,
    views: Views,
    run_next: RunNext,
    caplog: pytest.LogCaptureFixture,
    is_async: bool,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    views(lambda request: Parts(fail).response(is_async))
    answer(exchange, run_next)
    [content] = exchange.contents
    assert content["status"] == 500
    assert "ZeroDivisionError" in caplog.text
    assert "ResponseBroken" not in caplog.text
    assert exchange.has_ended


@both
def test_an_outage_of_the_layer_delays_a_stream(
    exchange: Exchange,
    memory_layer: InMemoryChannelLayer,
    views: Views,
    run_next: RunNext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_async: bool,
) -> None:
    apply, errors = memory_layer.apply, [LayerUnavailable("away"), LayerUnavailable("away")]

    def unreliable(operations: Any) -> None:
        apply(operations)
        if errors:
            raise errors.pop()

    monkeypatch.setattr(memory_layer, "apply", unreliable)
    views(lambda request: Parts(*PARTS).response(is_async))
    answer(exchange, run_next)
    # A server drops what comes twice.
    assert [each["at"] for each in exchange.contents[:4]] == [0, 0, 0, 5]
    assert exchange.response == b"".join(PARTS)
    assert "Answering" in caplog.text


@both
@pytest.mark.parametrize("status", [200, 204, 304])
def test_a_response_without_a_body_reads_no_stream(
    exchange: Exchange, views: Views, run_next: RunNext, is_async: bool, status: int
) -> None:
    parts = Parts(*PARTS)

    def view(request: HttpRequest) -> StreamingHttpResponse:
        response = parts.response(is_async)
        response.status_code = status
        response["Content-Length"] = "61"
        return response

    views(view)
    answer(exchange, run_next, method="HEAD" if status == 200 else "GET")
    [content] = exchange.contents
    assert (content["status"], content["content"], content["more_content"]) == (status, b"", False)
    assert [b"Content-Length", b"61"] in content["headers"]
    assert parts.count == 0


def test_pieces_fit_into_messages(memory_layer: InMemoryChannelLayer, run_next: RunNext) -> None:
    memory_layer.codec.message_size = 2000
    exchange = Exchange(memory_layer)
    body = os.urandom(5000)
    exchange.publish()
    assert run_next(lambda message: reply(message, body), REQUEST) is Committed.DONE
    exchange.until_released()
    assert exchange.response == body
    assert [len(each["content"]) for each in exchange.contents] == [1000] * 5


# Consumers that answer with a response of Django


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("size", [9, 9 * WINDOW])
def test_a_consumer_sends_a_response_of_any_size(
    exchange: Exchange, run_next: RunNext, size: int, method: str
) -> None:
    file = io.BytesIO(bytes(size))

    def consumer(message: Any) -> None:
        AsgiHandler.send_response(message, FileResponse(file, filename="film.bin"))

    exchange.publish(method=method)
    assert run_next(consumer, REQUEST) is Committed.DONE
    exchange.until_released()
    assert exchange.response == (bytes(size) if method == "GET" else b"")
    assert [b"Content-Length", b"%d" % size] in exchange.contents[0]["headers"]
    assert exchange.is_complete
    assert exchange.has_ended
    assert file.closed


def test_a_consumer_whose_contents_are_too_many_fails_clearly(
    exchange: Exchange, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    def consumer(message: Any) -> None:
        for content in AsgiHandler.encode_response(HttpResponse(bytes(9 * WINDOW))):
            message.reply_channel.send(content)

    exchange.publish()
    assert run_next(consumer, REQUEST) is Committed.DONE
    exchange.until_released()
    assert exchange.contents[-1]["status"] == 500  # which cuts what has begun
    assert "AsgiHandler.send_response(message, response)" in caplog.text
    assert len(exchange.response) < 8 * WINDOW + 1000


def test_a_content_that_is_too_large_names_the_helper(
    exchange: Exchange, run_next: RunNext, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.publish()
    assert (
        run_next(
            lambda message: message.reply_channel.send({"status": 200, "content": bytes(WINDOW)}),
            REQUEST,
        )
        is Committed.DONE
    )
    exchange.until_released()
    assert exchange.status == 500
    assert "AsgiHandler.send_response()" in caplog.text


def reply(message: Any, body: bytes) -> None:
    response = HttpResponse(body)
    sending.send_response(message, response, ViewConsumer.handler_class.encode_response(response))


def be_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again soon."""
    monkeypatch.setattr(mailbox.Mailbox.listen, "__defaults__", (0.02,))
