"""Real servers leave HTTP to workers, whose part these tests take: what reaches real clients."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from typing import Any

import pytest

from channels_workers.layers.codec import Content
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import (
    REQUEST,
    REQUEST_DISCONNECT,
    Committed,
    Delivery,
    Finished,
    GroupSend,
    Join,
    Operation,
    ProcessInfo,
    Send,
)
from chat_project.settings import REDIS_PREFIX
from labs.harness.server import Server
from tests.conftest import Shared

SERVERS = ("daphne", "uvicorn")
TIMEOUT = 60
PATIENT = {"HTTP": "workers", "DRAIN_TIME": 0, "REQUEST_WAIT_TIMEOUT": TIMEOUT}
WORKER, CONSUMER = "test", "test.1"
EVENTS = {"status": 200, "headers": [["Content-Type", "text/event-stream"]], "more_content": True}

StartByWorkers = Callable[..., Server]


@pytest.fixture(scope="module")
def start(shared: Shared) -> StartByWorkers:
    """Returns a server that leaves all of HTTP to workers. Tests may share it."""

    @cache
    def start(kind: str, **limits: Any) -> Server:
        given = json.dumps({**PATIENT, **limits})
        settings = {"DJANGO_SETTINGS_MODULE": "tests.processes.limits", "LIMITS": given}
        return shared.start_web(kind, env=settings)

    return start


class Worker:
    """A worker by hand."""

    def __init__(self, layer: RedisChannelLayer) -> None:
        self.layer = layer
        layer.register(WORKER, ProcessInfo.this("worker", 1, [REQUEST]))

    def take(self, channel: str = REQUEST) -> Delivery:
        found = self.layer.pull([channel], CONSUMER, TIMEOUT)
        assert found, f"No message came to {channel}."
        return found[0]

    def content(self, delivery: Delivery) -> Content:
        return self.layer.codec.decode(delivery.payload)

    def hear(self, delivery: Delivery) -> Content:
        """What the server tells the consumer."""
        payload = self.layer.listen(delivery.reply_channel or "", TIMEOUT)
        assert payload is not None
        return self.layer.codec.decode(payload)

    def send(self, delivery: Delivery, *contents: Content) -> None:
        self.layer.apply(self._sends(delivery, contents))

    def finish(
        self, delivery: Delivery, *contents: Content, group: str = "", ends: bool = False
    ) -> None:
        joins: list[Operation] = [Join(group, delivery.reply_channel or "")] if group else []
        operations = joins + self._sends(delivery, contents)
        assert self.layer.commit(Finished(delivery, operations, None, ends)) is Committed.DONE

    def _sends(self, delivery: Delivery, contents: tuple[Content, ...]) -> list[Operation]:
        encode, reply = self.layer.codec.encode, delivery.reply_channel or ""
        return [Send(reply, encode(content)) for content in contents]


@pytest.fixture
def worker(shared: Shared) -> Iterator[Worker]:
    layer = RedisChannelLayer(hosts=[shared.redis.url], prefix=REDIS_PREFIX)
    yield Worker(layer)
    layer.disconnect()


@contextmanager
def browser(server: Server) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    yield connection
    connection.close()


def read_until(response: HTTPResponse, text: bytes) -> bytes:
    data = b""
    while text not in data:
        part = response.read1(65_536)
        assert part, data
        data += part
    return data


@pytest.mark.parametrize("kind", SERVERS)
def test_pages_on_one_connection(kind: str, start: StartByWorkers, worker: Worker) -> None:
    server = start(kind)
    with browser(server) as connection:
        for number in range(3):
            connection.request("GET", f"/page/{number}?q=1", headers={"X-Own": "1"})
            delivery = worker.take()
            content = worker.content(delivery)
            assert (content["path"], content["query_string"]) == (f"/page/{number}", b"q=1")
            assert [b"x-own", b"1"] in content["headers"]
            assert content["client"][0] == "127.0.0.1"
            cookies = [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]
            worker.finish(
                delivery, {"status": 201, "headers": cookies, "content": b"hi"}, ends=True
            )
            response = connection.getresponse()
            assert (response.status, response.read()) == (201, b"hi")
            assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        for method, status in (("HEAD", 200), ("GET", 304), ("GET", 204)):
            connection.request(method, "/")
            length = [["Content-Length", "5"]] if method == "HEAD" else []
            reply = {"status": status, "headers": length, "content": b"hello"}
            worker.finish(worker.take(), reply, ends=True)
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b"")
        assert isinstance(connection.sock, socket.socket)  # it was never closed
    assert "Traceback" not in server.process.output


@pytest.mark.parametrize("kind", SERVERS)
def test_a_large_body_and_a_large_response(
    kind: str, start: StartByWorkers, worker: Worker
) -> None:
    server = start(kind)
    body = bytes(range(256)) * 3000
    with browser(server) as connection:
        connection.request("POST", "/", body)
        delivery = worker.take()
        read = worker.content(delivery)["body"]
        while len(read) < len(body):
            worker.send(delivery, {"read_body": [len(read), 2**20], "run": "one"})
            while len(read) < len(body):
                told = worker.hear(delivery)
                assert told["at"] == len(read)
                read += told["body"]
        assert read == body
        at = 0
        for _ in range(20):
            part = {"content": body[:200_000], "more_content": True, "run": "one", "at": at}
            worker.send(delivery, {"status": 200, **part} if not at else part)
            at += 200_000
        worker.finish(delivery, {"content": b"", "run": "one", "at": at}, ends=True)
        assert connection.getresponse().read() == body[:200_000] * 20


@pytest.mark.parametrize("kind", SERVERS)
def test_a_client_sees_that_its_response_is_not_complete(
    kind: str, start: StartByWorkers, worker: Worker
) -> None:
    server = start(kind)
    with browser(server) as connection:
        connection.request("GET", "/")
        delivery = worker.take()
        first = {"status": 200, "content": b"abc", "more_content": True, "run": "one", "at": 0}
        worker.send(delivery, first)
        response = connection.getresponse()
        assert response.read1(3) == b"abc"
        worker.finish(delivery, {"status": 500, "content": b"Server Error"})
        with pytest.raises((IncompleteRead, ConnectionError)):
            response.read()
    worker.finish(worker.take(REQUEST_DISCONNECT))
    server.process.wait_for_line("Its connection is cut")
    assert "Traceback" not in server.process.output


@pytest.mark.parametrize("kind", SERVERS)
def test_a_response_that_nobody_goes_on_with_is_cut(
    kind: str, start: StartByWorkers, worker: Worker
) -> None:
    server = start(kind, RESPONSE_TIMEOUT=5)
    with browser(server) as connection, browser(server) as streams:
        streams.request("GET", "/events/")
        worker.finish(worker.take(), EVENTS)
        stream = streams.getresponse()
        connection.request("GET", "/")
        worker.finish(worker.take(), {"status": 200, "content": b"abc", "more_content": True})
        response = connection.getresponse()
        with pytest.raises((IncompleteRead, ConnectionError)):
            response.read()
        server.process.wait_for_line("no further part came within 5 s")
        last = worker.take(REQUEST_DISCONNECT)
        assert worker.content(last)["path"] == "/"
        worker.finish(last)
        server.process.signal(signal.SIGTERM)
        stream.read()  # which fails unless the last chunk comes
        worker.finish(worker.take(REQUEST_DISCONNECT))
    assert "Traceback" not in server.process.output


@pytest.mark.parametrize("kind", SERVERS)
def test_a_client_that_leaves_a_long_poll(kind: str, start: StartByWorkers, worker: Worker) -> None:
    server = start(kind)
    with browser(server) as connection:
        connection.request("GET", "/poll/")
        worker.finish(worker.take(), group="news")
    last = worker.take(REQUEST_DISCONNECT)
    assert worker.content(last)["path"] == "/poll/"
    worker.finish(last)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_stopping_server_ends_event_streams_and_long_polls(
    kind: str, start: StartByWorkers, worker: Worker
) -> None:
    server = start(kind, REQUEST_WAIT_TIMEOUT=TIMEOUT + 1)  # another one than that of other tests
    with browser(server) as streams, browser(server) as polls:
        streams.request("GET", "/events/")
        worker.finish(worker.take(), EVENTS, group="news")
        stream = streams.getresponse()  # whose head has come alone
        payload = worker.layer.codec.encode({"content": b"data: 1\n\n", "more_content": True})
        worker.layer.apply([GroupSend("news", payload)])
        assert read_until(stream, b"data: 1\n\n") == b"data: 1\n\n"
        polls.request("GET", "/poll/")
        worker.finish(worker.take())
        server.process.signal(signal.SIGTERM)
        assert stream.read() == b""  # which fails unless the last chunk comes
        refused = polls.getresponse()
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    for _ in range(2):
        worker.finish(worker.take(REQUEST_DISCONNECT))


@pytest.mark.parametrize("kind", SERVERS)
def test_without_workers_requests_are_answered_503(kind: str, start: StartByWorkers) -> None:
    server = start(kind, REQUEST_WAIT_TIMEOUT=0.2)
    with browser(server) as connection:
        connection.request("POST", "/", b"x" * 100_000)
        response = connection.getresponse()
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
    server.process.wait_for_line("manage.py runworker")
