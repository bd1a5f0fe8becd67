"""Requests of test clients."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import FileResponse, HttpResponse, StreamingHttpResponse

from channels_workers.auth import http_session_user
from channels_workers.flow import CHUNK, WINDOW
from channels_workers.http import sse
from channels_workers.routing import route
from channels_workers.test import ChannelTestCase, Client, HttpClient, apply_routes
from tests.channels_workers.conftest import Views

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_layer")]


@pytest.mark.parametrize("client", [Client, HttpClient])
def test_a_consumer_answers(client: type[Client]) -> None:
    def consumer(message: Any, name: str) -> str:
        message.reply_channel.send({"status": 201, "content": name.encode()})
        return name

    one = client()
    with apply_routes([route("http.request", consumer, path=r"^/(?P<name>\w+)/$", method="PUT")]):
        content = {"path": "/ann/", "method": "PUT"}
        assert one.send_and_consume("http.request", content) == "ann"
    assert one.receive() == {"status": 201, "content": b"ann"}
    assert one.receive() is None


def test_views_answer_what_no_route_takes(views: Views) -> None:
    views(lambda request: HttpResponse(request.GET.get("a", request.path)))
    client = HttpClient()
    with apply_routes([]):
        client.send_and_consume("http.request", path="/one/?a=two")
    content = client.receive()
    assert (content["status"], content["content"]) == (200, b"two")


def test_a_user_of_the_client_is_the_user_of_the_request() -> None:
    @http_session_user
    def consumer(message: Any) -> None:
        message.reply_channel.send({"status": 200, "content": message.user.username.encode()})

    client = HttpClient()
    client.force_login(User.objects.create_user("ann"))
    with apply_routes([route("http.request", consumer)]):
        client.send_and_consume("http.request", path="/")
    assert client.receive()["content"] == b"ann"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_long_response_is_taken_as_it_comes(views: Views, is_async: bool) -> None:
    part = bytes(CHUNK)
    count = 3 * WINDOW // CHUNK

    async def aparts() -> Any:
        for _ in range(count):
            yield part

    views(lambda request: StreamingHttpResponse(aparts() if is_async else [part] * count))
    client = Client()
    with apply_routes([]):
        client.send_and_consume("http.request", {"path": "/"})
    for number in range(count):
        content = client.receive()
        assert content.pop("headers", None) is None or number == 0
        assert content.pop("status", 200) == 200
        assert content == {"content": part, "more_content": True}
    assert client.receive() == {"content": b"", "more_content": False}


def test_an_async_stream_sees_the_database_of_the_test(views: Views) -> None:
    async def names() -> Any:
        async for user in User.objects.all():
            yield user.username

    User.objects.create_user("ann")
    views(lambda request: StreamingHttpResponse(names()))
    client = Client()
    with apply_routes([]):
        client.send_and_consume("http.request", {"path": "/"})
    assert client.receive()["content"] == b"ann"


def test_events_are_received_as_they_are_sent() -> None:
    client = HttpClient()
    with apply_routes([route("http.request", sse.start)]):
        client.send_and_consume("http.request")
    client.join_group("news")
    assert client.receive()["status"] == 200
    event = sse.server_sent_event("one", id="1")
    from channels_workers.channel import Group

    Group("news").send(event)
    assert client.receive() == event


def test_what_a_consumer_raises_reaches_the_test() -> None:
    def fail(message: Any) -> None:
        raise ZeroDivisionError

    client = HttpClient()
    with apply_routes([route("http.request", fail)]), pytest.raises(ZeroDivisionError):
        client.send_and_consume("http.request")
    assert client.receive()["status"] == 500


class TestQueries(ChannelTestCase):
    """Views in a test case of Django."""

    def test_queries_of_views_are_counted(self) -> None:
        from channels_workers.handler import AsgiHandler, ViewConsumer

        class Handler(AsgiHandler):
            def get_response(self, request: Any) -> Any:
                return HttpResponse(str(User.objects.count()))

        class Consumer(ViewConsumer):
            handler_class = Handler

        client = Client()
        with apply_routes([route("http.request", Consumer())]), self.assertNumQueries(2):
            User.objects.exists()
            client.send_and_consume("http.request", {"path": "/"})
        assert client.receive()["content"] == b"0"


def test_files_are_received(views: Views, tmp_path: Any) -> None:
    (tmp_path / "file").write_bytes(b"one")
    views(lambda request: FileResponse((tmp_path / "file").open("rb")))
    client = Client()
    with apply_routes([]):
        client.send_and_consume("http.request", {"path": "/"})
    content = client.receive()
    assert (content["content"], content["more_content"]) == (b"one", False)
