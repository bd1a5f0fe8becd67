"""Bodies of requests, which consumers read from the server in pieces."""

import os
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from pytest_django import Settings

from channels_workers.exceptions import RequestAborted, RequestTimeout
from channels_workers.flow import CHUNK, INLINE_BODY, WINDOW
from channels_workers.handler import AsgiRequest
from channels_workers.http import mailbox
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import ReplyKind
from channels_workers.message import Message
from tests.channels_workers.conftest import Views
from tests.channels_workers.http.conftest import RunWorker
from tests.channels_workers.http.server import Exchange

# Signals around a request clean up database connections.
pytestmark = pytest.mark.django_db


def request_of(exchange: Exchange, **content: Any) -> AsgiRequest:
    layer, delivery = exchange.layer, exchange.pull(method="POST", **content)
    return AsgiRequest(Message(layer.content(delivery), delivery.channel, layer, delivery))


@pytest.mark.parametrize("size", [0, 1, INLINE_BODY])
def test_a_small_body_is_in_the_message(memory_layer: InMemoryChannelLayer, size: int) -> None:
    exchange = Exchange(memory_layer, os.urandom(size))
    assert request_of(exchange).body == exchange.body
    assert exchange.asked == []


@pytest.mark.parametrize(
    "size", [INLINE_BODY + 1, INLINE_BODY + CHUNK, INLINE_BODY + WINDOW, 3 * WINDOW + 1]
)
def test_a_large_body_comes_in_windows(memory_layer: InMemoryChannelLayer, size: int) -> None:
    exchange = Exchange(memory_layer, os.urandom(size))
    assert request_of(exchange).body == exchange.body
    rest = range(INLINE_BODY, size, WINDOW)
    assert exchange.asked == [[offset, WINDOW] for offset in rest]


def test_a_view_reads_the_body_as_a_stream(memory_layer: InMemoryChannelLayer) -> None:
    lines = [b"%d" % number * 50 + b"\n" for number in range(3000)]
    exchange = Exchange(memory_layer, b"".join(lines))
    request = request_of(exchange)
    assert request.read(3) == lines[0][:3]
    assert request.readline() == lines[0][3:]
    assert list(request) == lines[1:]
    assert request.read() == b""


def test_what_nobody_reads_is_not_asked_for(
    memory_layer: InMemoryChannelLayer, views: Views, run_worker: RunWorker
) -> None:
    views(lambda request: HttpResponse("done"))
    run_worker()
    exchange = Exchange(memory_layer, bytes(WINDOW))
    exchange.publish(method="POST")
    exchange.until_released()
    assert exchange.response == b"done"
    assert exchange.asked == []


def test_files_are_uploaded(
    memory_layer: InMemoryChannelLayer, settings: Settings, views: Views, run_worker: RunWorker
) -> None:
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 3 * WINDOW
    file = SimpleUploadedFile("film.bin", os.urandom(2 * WINDOW))
    body = encode_multipart(BOUNDARY, {"name": "Film", "file": file})
    got: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        got.append((request.POST["name"], request.FILES["file"].read()))
        return HttpResponse("done")

    views(view)
    run_worker()
    exchange = Exchange(memory_layer, body, ReplyKind.ONCE)
    headers = [[b"content-type", MULTIPART_CONTENT.encode()]]
    exchange.publish(method="POST", headers=headers)
    exchange.until_released()
    file.seek(0)
    assert got == [("Film", file.read())]


def test_the_limit_of_django_counts_a_body_without_a_length(
    memory_layer: InMemoryChannelLayer, settings: Settings, views: Views, run_worker: RunWorker
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = INLINE_BODY
    views(lambda request: HttpResponse(request.body))
    run_worker()
    exchange = Exchange(memory_layer, bytes(INLINE_BODY + 1))
    exchange.publish(method="POST")
    exchange.until_released()
    assert exchange.status == 400
    assert exchange.asked == []


@pytest.mark.parametrize("headers", [[], [[b"content-length", b"4"]], [[b"content-length", b"1"]]])
def test_the_length_is_that_of_the_body(memory_layer: InMemoryChannelLayer, headers: Any) -> None:
    # A client may send Content-Length beside Transfer-Encoding, which counts.
    request = request_of(Exchange(memory_layer, b"1234"), headers=headers)
    assert request.META["CONTENT_LENGTH"] == "4"


def test_a_lost_piece_is_asked_for_again(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_quick(monkeypatch)
    exchange = Exchange(memory_layer, os.urandom(WINDOW), lost=2)
    assert request_of(exchange).body == exchange.body
    assert exchange.asked == 3 * [[INLINE_BODY, WINDOW]]


def test_pieces_that_come_twice_or_elsewhere_are_ignored(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_quick(monkeypatch)
    exchange = Exchange(memory_layer, os.urandom(INLINE_BODY + 2 * CHUNK))
    request = request_of(exchange)
    exchange.tell({"at": INLINE_BODY + 1, "body": b"wrong"})
    exchange.tell({"taken": 7})
    exchange.layer.tell(exchange.reply_channel, b"no message")
    exchange.tell({"at": INLINE_BODY, "body": exchange.body[INLINE_BODY:][:CHUNK]})
    assert request.body == exchange.body


def test_a_client_that_goes_aborts_the_body(memory_layer: InMemoryChannelLayer) -> None:
    exchange = Exchange(memory_layer, bytes(WINDOW), lost=99)
    request = request_of(exchange)
    exchange.tell({"gone": True})
    with pytest.raises(UnreadablePostError):
        request.body  # noqa: B018
    assert isinstance(request.upload_failure, RequestAborted)
    assert len(exchange.asked) == 1


def test_a_request_that_has_ended_aborts_the_body(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_quick(monkeypatch)
    exchange = Exchange(memory_layer, bytes(WINDOW), lost=99)
    request = request_of(exchange)
    memory_layer.store.records.clear()
    with pytest.raises(UnreadablePostError):
        request.body  # noqa: B018
    assert isinstance(request.upload_failure, RequestAborted)


def test_a_body_that_does_not_come_times_out(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_quick(monkeypatch)
    monkeypatch.setattr(AsgiRequest, "body_receive_timeout", 0.1)
    exchange = Exchange(memory_layer, bytes(WINDOW), lost=9999)
    request = request_of(exchange)
    with pytest.raises(UnreadablePostError):
        request.body  # noqa: B018
    assert isinstance(request.upload_failure, RequestTimeout)
    asked = len(exchange.asked)
    with pytest.raises(RequestTimeout):  # at once from now on
        request._upload.read(1)  # type: ignore[union-attr]
    assert len(exchange.asked) == asked > 1


def test_a_view_whose_body_times_out_is_answered_408(
    memory_layer: InMemoryChannelLayer,
    views: Views,
    run_worker: RunWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    be_quick(monkeypatch)
    monkeypatch.setattr(AsgiRequest, "body_receive_timeout", 0.1)
    views(lambda request: HttpResponse(request.body), "django.middleware.common.CommonMiddleware")
    run_worker()
    exchange = Exchange(memory_layer, bytes(WINDOW), lost=9999)
    exchange.publish(method="POST", headers=[[b"host", b"testserver"]])
    exchange.until_released()
    assert exchange.status == 408


def test_a_view_whose_client_goes_answers_nobody_and_logs_nothing(
    memory_layer: InMemoryChannelLayer,
    views: Views,
    run_worker: RunWorker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    views(lambda request: HttpResponse(request.body))
    run_worker()
    exchange = Exchange(memory_layer, bytes(WINDOW), lost=9999)
    exchange.publish(method="POST")
    exchange.until(lambda: exchange.asked)
    exchange.go()
    exchange.until(lambda: exchange.waits_to_end)
    assert exchange.contents == []
    assert caplog.records == []


def be_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again soon."""
    monkeypatch.setattr(mailbox.Mailbox.listen, "__defaults__", (0.02,))
