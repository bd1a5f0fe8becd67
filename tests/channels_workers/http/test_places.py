"""How many threads of a worker responses may hold while they wait."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from pytest_django import Settings

from channels_workers.flow import CHUNK, WINDOW
from channels_workers.http import mailbox, responses
from channels_workers.http.places import Places
from channels_workers.http.responses import BUSY
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import ReplyKind
from tests.channels_workers.conftest import Views
from tests.channels_workers.http.conftest import RunWorker
from tests.channels_workers.http.server import Exchange

# Signals around a request clean up database connections.
pytestmark = pytest.mark.django_db

#: More than a stream sends before it waits for its client.
LONG = [bytes(CHUNK)] * 12
SIZE = CHUNK * len(LONG)

Make = Callable[..., Exchange]


def sync_parts() -> Iterator[bytes]:
    yield from LONG


async def async_parts() -> AsyncIterator[bytes]:
    for part in LONG:
        yield part


async def silence() -> AsyncIterator[bytes]:
    yield b"begun"
    await asyncio.Event().wait()


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(bytes(int(request.GET["size"]))), filename="film.bin")


VIEWS: dict[str, Callable[[HttpRequest], Any]] = {
    "/sync/": lambda request: StreamingHttpResponse(sync_parts()),
    "/async/": lambda request: StreamingHttpResponse(async_parts()),
    "/silent/": lambda request: StreamingHttpResponse(silence()),
    "/page/": lambda request: HttpResponse("page"),
    "/large/": lambda request: HttpResponse(bytes(2 * WINDOW)),
    "/huge/": lambda request: HttpResponse(bytes(9 * WINDOW)),
    "/file/": file,
}


@pytest.fixture
def given(
    memory_layer: InMemoryChannelLayer,
    views: Views,
    monkeypatch: pytest.MonkeyPatch,
    run_worker: RunWorker,  # which ends after this
) -> Iterator[Make]:
    """Publishes a request; the worker that the test runs loses patience at once."""
    made: list[Exchange] = []
    monkeypatch.setattr(responses, "PATIENCE", 0.0)
    monkeypatch.setattr(mailbox.Mailbox.listen, "__defaults__", (0.02,))
    views(lambda request: VIEWS[request.path](request))

    def make(path: str, query: str = "", kind: ReplyKind = ReplyKind.SAFE, **more: Any) -> Exchange:
        exchange = Exchange(memory_layer, b"", kind, **more)
        made.append(exchange)
        exchange.publish(path=path, query_string=query.encode())
        return exchange

    yield make
    for each in made:
        each.go()


def waits(exchange: Exchange) -> bool:
    """Whether it asks what its client took, as it has waited for that."""
    return any(each["content"] == b"" and "is_busy" not in each for each in exchange.contents)


def hold(given: Make, path: str = "/sync/") -> Exchange:
    """A response that holds a thread."""
    slow = given(path, is_slow=True)
    slow.until(lambda: waits(slow))
    return slow


def is_refused(exchange: Exchange) -> bool:
    exchange.until(lambda: exchange.has_ended)
    [content] = exchange.contents
    run = content.pop("run")
    assert isinstance(run, str)
    return exchange.contents == [{**BUSY, "headers": [list(each) for each in BUSY["headers"]]}]


@pytest.mark.parametrize("path", ["/sync/", "/async/"])
def test_slow_clients_hold_a_share_of_the_threads(
    path: str, given: Make, run_worker: RunWorker, caplog: pytest.LogCaptureFixture
) -> None:
    run_worker(n_threads=4)
    slow = [hold(given, path), hold(given, path)]
    assert is_refused(given("/sync/", is_slow=True))
    assert is_refused(given("/async/", is_slow=True))
    assert is_refused(given("/huge/", is_slow=True))
    assert [vars(each)["event"] for each in caplog.records] == ["streams_full"]
    assert "STREAM_THREADS allows (2)" in caplog.text
    for each in slow:
        each.is_slow = False
        each.take()
        each.until(lambda each=each: each.has_ended)  # type: ignore[misc]
        assert each.response == b"".join(LONG)
    after = given("/sync/")
    after.until(lambda: after.has_ended)
    assert after.response == b"".join(LONG)


def test_what_waits_for_no_client_is_never_refused(given: Make, run_worker: RunWorker) -> None:
    run_worker(n_threads=2)
    hold(given)
    for path, query, size in (
        ("/page/", "", 4),
        ("/large/", "", 2 * WINDOW),
        ("/file/", "size=9", 9),
        ("/file/", f"size={WINDOW}", WINDOW),
    ):
        exchange = given(path, query)
        exchange.until(lambda exchange=exchange: exchange.has_ended)
        assert (exchange.status, len(exchange.response)) == (200, size)
    assert is_refused(given("/sync/"))


def test_a_response_without_a_body_is_never_refused(given: Make, run_worker: RunWorker) -> None:
    run_worker(n_threads=2)
    hold(given)
    exchange = given("/page/")
    exchange.until(lambda: exchange.has_ended)
    for path in ("/sync/", "/async/"):
        head = Exchange(exchange.layer)
        head.publish(path=path, method="HEAD")
        head.until(lambda head=head: head.has_ended)
        assert head.status == 200


def test_one_of_two_that_begin_at_once_is_cut(
    given: Make, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "PATIENCE", 1e9)
    run_worker(n_threads=2)
    both = [hold(given), hold(given)]
    monkeypatch.setattr(responses, "PATIENCE", 0.0)

    def cut() -> list[Exchange]:
        return [each for each in both if each.contents[-1].get("is_busy")]

    for each in both:
        each.until(cut)
    [loser] = cut()
    last = loser.contents[-1]
    assert (last["content"], last["more_content"]) == (b"", True)
    assert last["run"] == loser.contents[0]["run"]
    [winner] = [each for each in both if each is not loser]
    winner.is_slow = False
    winner.take()
    winner.until(lambda: winner.has_ended)
    assert winner.response == b"".join(LONG)


def test_an_async_stream_that_waits_for_news_holds_a_thread(
    given: Make, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels_workers.http.views.LISTEN_TIMEOUT", 0.01)
    run_worker(n_threads=2)
    silent = given("/silent/")
    silent.until(lambda: silent.response == b"begun")
    second = given("/silent/")
    # It is refused, or begins at once and is cut when the first has taken its place.
    second.until(lambda: any("is_busy" in each for each in second.contents))


def test_patience_is_for_quick_clients(
    given: Make, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "PATIENCE", 1e9)
    run_worker(n_threads=2)
    hold(given)
    quick = given("/sync/")
    quick.until(lambda: quick.has_ended)
    assert quick.response == b"".join(LONG)


def test_the_share_is_a_setting(settings: Settings) -> None:
    for share, threads, count in ((0.5, 1, 1), (0.5, 5, 2), (1, 3, 3), (0.1, 4, 1)):
        settings.CHANNEL_WORKERS = {"STREAM_THREADS": share}
        places = Places(threads)
        assert [places.take() for _ in range(count + 1)] == [True] * count + [False]
        assert places.are_full
        places.leave()
        assert not places.are_full


def test_fullness_is_logged_once_until_half_of_them_are_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    places = Places(8)
    for _ in range(4):
        places.take()
    assert caplog.records == []
    assert not places.take()
    places.leave()
    assert places.take()
    assert places.are_full
    assert len(caplog.records) == 1
    places.leave()
    places.leave()
    for _ in range(3):
        places.take()
    assert len(caplog.records) == 2
