"""Django's views as a consumer. The behaviour is that of Channels 1.1.8 and of Django 5.2."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.core.signals import request_finished, request_started
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import get_script_prefix
from django.utils.timezone import get_current_timezone_name
from pytest_django import Settings

from channels_workers.exceptions import ResponseLater
from channels_workers.handler import AsgiHandler, AsgiRequest, ViewConsumer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import REQUEST
from channels_workers.message import Message
from tests.channels_workers.conftest import Views, heard

REPLY = "responses"


def message_of(**content: Any) -> Message:
    given = {"reply_channel": REPLY, "path": "/", "method": "GET", **content}
    return Message(given, REQUEST, None)


def contents_of(**content: Any) -> list[dict[str, Any]]:
    return list(AsgiHandler()(message_of(**content)))


# Signals around a request clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_layer")]

# Requests


def test_a_request_has_what_the_message_has() -> None:
    message = message_of(
        path="/test2/",
        method="get",
        query_string=b"django=1&django=&flask=\xc3\xa9",
        headers=[
            [b"host", b"example.com"],
            [b"cookie", b"test-time=1448995585123; test-value=yeah"],
            [b"x-many", b"1"],
            [b"x-many", b"2"],
            [b"x_many", b"3"],
        ],
        client=["10.0.0.1", 1234],
        server=["10.0.0.2", 80],
        scheme="https",
    )
    request = AsgiRequest(message)
    assert request.message is message
    assert request.reply_channel.name == REPLY
    assert (request.path, request.path_info, request.method) == ("/test2/", "/test2/", "GET")
    assert request.GET.getlist("django") == ["1", ""]
    assert request.GET["flask"] == "é"
    assert request.COOKIES == {"test-time": "1448995585123", "test-value": "yeah"}
    assert request.META["REMOTE_ADDR"] == request.META["REMOTE_HOST"] == "10.0.0.1"
    assert request.META["REMOTE_PORT"] == 1234
    assert (request.META["SERVER_NAME"], request.META["SERVER_PORT"]) == ("10.0.0.2", "80")
    assert request.META["HTTP_X_MANY"] == "1,2"
    assert request.META["QUERY_STRING"] == "django=1&django=&flask=é"
    assert request.scheme == "https"
    assert request.body == b""
    assert not request.POST


def test_little_is_enough_for_a_request() -> None:
    request = AsgiRequest(Message({"path": "/one/"}, REQUEST, None))
    assert (request.path, request.method, request.scheme) == ("/one/", "GET", "http")
    assert request.reply_channel is None
    assert "REMOTE_ADDR" not in request.META
    assert request.META["SERVER_NAME"] == "unknown"
    assert request.META["SERVER_PORT"] == "0"


@pytest.mark.parametrize("headers", [{"Host": "one"}, {b"host": b"one"}, [("HOST", "one")]])
def test_headers_may_be_written_otherwise(headers: Any) -> None:
    request = AsgiRequest(message_of(headers=headers, query_string="a=é"))
    assert request.META["HTTP_HOST"] == "one"
    assert request.GET["a"] == "é"


@pytest.mark.parametrize("path", ["/sub/test/", "/test/"])
@pytest.mark.parametrize("is_forced", [False, True])
def test_the_script_name_is_in_front_of_the_path(
    settings: Settings, path: str, is_forced: bool
) -> None:
    settings.FORCE_SCRIPT_NAME = "/sub" if is_forced else None
    request = AsgiRequest(message_of(path=path, root_path=None if is_forced else "/sub"))
    assert request.path == "/sub/test/"
    assert request.path_info == "/test/"
    assert request.META["SCRIPT_NAME"] == "/sub"


def test_a_path_may_begin_like_the_script_name() -> None:
    # Interface servers take the script name off.
    request = AsgiRequest(message_of(path="/sub/test/", root_path="/sub", body_size=0))
    assert request.path == "/sub/sub/test/"
    assert request.path_info == "/sub/test/"


def test_cookies_may_come_in_several_headers() -> None:
    headers = [[b"cookie", b"one=1"], [b"accept", b"*/*"], [b"cookie", b"two=2; three=3"]]
    request = AsgiRequest(message_of(headers=headers))
    assert request.COOKIES == {"one": "1", "two": "2", "three": "3"}
    assert request.META["HTTP_ACCEPT"] == "*/*"


def test_a_form_is_parsed() -> None:
    request = AsgiRequest(
        message_of(
            method="POST",
            body=b"django=hurrah&ponies=are+awesome",
            headers=[
                [b"content-type", b"application/x-www-form-urlencoded"],
                [b"content-length", b"32"],
            ],
        )
    )
    assert request.POST["django"] == "hurrah"
    assert request.POST["ponies"] == "are awesome"
    assert request.body == b"django=hurrah&ponies=are+awesome"


def test_json_is_a_body_in_the_given_encoding() -> None:
    headers = [[b"content-type", b"application/json; charset=latin1"]]
    request = AsgiRequest(message_of(method="POST", body=b'"\xe9"', headers=headers))
    assert request.content_type == "application/json"
    assert request.encoding == "latin1"
    assert request.body == b'"\xe9"'
    assert not request.POST


# Responses


def test_a_response_is_encoded() -> None:
    response = HttpResponse(b"Hi!", status=418, content_type="text/plain")
    response["X-Latin"] = "caf\xe9"
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "2")
    [content] = AsgiHandler.encode_response(response)
    assert content == {
        "status": 418,
        "headers": [
            (b"Content-Type", b"text/plain"),
            (b"X-Latin", b"caf\xe9"),
            (b"Set-Cookie", b"one=1; HttpOnly; Path=/"),
            (b"Set-Cookie", b"two=2; Path=/"),
        ],
        "content": b"Hi!",
        "more_content": False,
    }


def test_a_response_is_encoded_in_chunks() -> None:
    class Small(AsgiHandler):
        chunk_size = 2

    found = list(Small.encode_response(HttpResponse(b"12345")))
    assert [each["content"] for each in found] == [b"12", b"34", b"5"]
    assert [each["more_content"] for each in found] == [True, True, False]
    assert ["status" in each for each in found] == [True, False, False]
    found = list(Small.encode_response(StreamingHttpResponse([b"123", b"4"])))
    assert [each["content"] for each in found] == [b"12", b"3", b"4", b""]


def test_an_empty_stream_has_a_head() -> None:
    [content] = AsgiHandler.encode_response(StreamingHttpResponse([]))
    assert (content["status"], content["content"], content["more_content"]) == (200, b"", False)


def test_data_is_chunked() -> None:
    class Small(AsgiHandler):
        chunk_size = 2

    assert list(Small.chunk_bytes(b"")) == [(b"", True)]
    assert list(Small.chunk_bytes(b"12")) == [(b"12", True)]
    assert list(Small.chunk_bytes(b"123")) == [(b"12", False), (b"3", True)]


# The handler


def test_a_view_answers(views: Views) -> None:
    views(lambda request: HttpResponse(f"{request.method} {request.path}"))
    [content] = contents_of(path="/one/", method="PUT")
    assert content["content"] == b"PUT /one/"


def test_an_async_view_answers(views: Views) -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return JsonResponse({"path": request.path})

    views(view)
    [content] = contents_of(path="/one/")
    assert content["content"] == b'{"path": "/one/"}'


def test_an_async_stream_is_encoded_step_by_step(views: Views) -> None:
    steps: list[str] = []

    async def parts() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        for part in (b"one", b"two"):
            steps.append(part.decode())
            yield part
            await asyncio.sleep(0)
            assert asyncio.get_running_loop() is loop
        steps.append("end")

    views(lambda request: StreamingHttpResponse(parts()))
    contents = AsgiHandler()(message_of())
    assert next(contents)["content"] == b"one"
    assert steps == ["one"]
    assert [each["content"] for each in contents] == [b"two", b""]
    assert steps == ["one", "two", "end"]


def test_a_file_is_closed(views: Views, tmp_path: Any) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"thecontents")
    opened: list[Any] = []

    def view(request: HttpRequest) -> FileResponse:
        opened.append(path.open("rb"))
        return FileResponse(opened[0])

    views(view)
    first, last = contents_of()
    assert first["content"] == b"thecontents"
    assert (last["content"], last["more_content"]) == (b"", False)
    assert opened[0].closed


def test_middleware_runs(views: Views) -> None:
    views(
        lambda request: HttpResponse("one"),
        "django.middleware.http.ConditionalGetMiddleware",
        "django.middleware.common.CommonMiddleware",
    )
    host = [b"host", b"testserver"]
    [content] = contents_of(headers=[host])
    headers = dict(content["headers"])
    assert headers[b"Content-Length"] == b"3"
    [again] = contents_of(headers=[host, [b"if-none-match", headers[b"ETag"]]])
    assert (again["status"], again["content"]) == (304, b"")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Http404, 404), (ValueError, 500), (SuspiciousOperation, 400)],
)
def test_errors_of_views_are_pages(views: Views, error: type[Exception], status: int) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise error("no")

    views(view)
    [content] = contents_of()
    assert content["status"] == status


def test_debug_pages_show_the_error(views: Views, settings: Settings) -> None:
    settings.DEBUG = True

    def view(request: HttpRequest) -> HttpResponse:
        raise ValueError("what happened")

    views(view)
    [content] = contents_of(headers=[[b"accept", b"text/html"]])
    assert content["status"] == 500
    assert b"what happened" in content["content"]
    assert b"<!DOCTYPE html>" in content["content"]


def test_a_query_that_is_not_text_is_a_bad_request(
    views: Views, caplog: pytest.LogCaptureFixture
) -> None:
    views(lambda request: HttpResponse("one"))
    [content] = contents_of(query_string=b"\xff\xfe")
    assert (content["status"], content["content"]) == (400, b"")
    [record] = caplog.records
    assert (record.name, record.levelno) == ("django.request", logging.WARNING)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_view_may_leave_the_response_to_others(
    views: Views, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def view(request: Any) -> HttpResponse:
        raise request.ResponseLater

    async def async_view(request: HttpRequest) -> HttpResponse:
        raise AsgiHandler.ResponseLater

    views(async_view if is_async else view, "django.middleware.common.CommonMiddleware")
    with heard(request_finished) as finished:
        assert contents_of(headers=[[b"host", b"testserver"]]) == []
    assert len(finished) == 1
    assert caplog.records == []
    assert AsgiRequest.ResponseLater is AsgiHandler.ResponseLater is ResponseLater


def test_signals_are_those_of_a_request(views: Views) -> None:
    views(lambda request: HttpResponse("one"))
    message = message_of(path="/one/")
    with heard(request_started) as started, heard(request_finished) as finished:
        contents = AsgiHandler()(message)
        next(contents)
        assert finished == []
        assert list(contents) == []
    assert [(each["sender"], each["message"]) for each in started] == [(AsgiHandler, message)]
    assert started[0]["scope"]["path"] == "/one/"
    assert [each["sender"] for each in finished] == [AsgiHandler]


@pytest.mark.parametrize("root", ["", "/sub"])
def test_the_script_prefix_is_set(views: Views, root: str) -> None:
    views(lambda request: HttpResponse(get_script_prefix()))
    [content] = contents_of(root_path=root)
    assert content["content"].decode() == f"{root}/"


def test_a_closed_generator_closes_the_response(views: Views) -> None:
    closed: list[bool] = []
    response = StreamingHttpResponse(iter([b"one", b"two"]))
    response._resource_closers.append(lambda: closed.append(True))  # type: ignore[attr-defined]
    views(lambda request: response)
    contents = AsgiHandler()(message_of())
    next(contents)
    contents.close()  # type: ignore[attr-defined]
    assert closed == [True]


# The consumer


def test_the_handler_is_made_when_it_is_needed(
    views: Views, memory_layer: InMemoryChannelLayer
) -> None:
    class Handler(AsgiHandler):
        def __init__(self) -> None:
            made.append(self)
            super().__init__()

    class Consumer(ViewConsumer):
        handler_class = Handler

    made: list[Handler] = []
    views(lambda request: HttpResponse(get_current_timezone_name()))
    consumer = Consumer()
    assert made == []
    for _ in range(2):
        consumer(Message(message_of().content, REQUEST, memory_layer))
    assert len(made) == 1
    assert memory_layer.length(REPLY) == 2
