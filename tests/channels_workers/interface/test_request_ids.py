"""The request id of a handshake: from its header, bounded, in each message and line about it."""

import logging
import re
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.conf import Configuration, configuration
from channels_workers.interface.actions import Publish
from channels_workers.interface.http.request_protocol import RequestProtocol
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.replies import disconnect_content
from channels_workers.interface.request_ids import request_id
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import RECEIVE, Delivery
from channels_workers.logs.filters import CurrentMessage
from channels_workers.logs.text import TextFormatter
from channels_workers.message import Message
from channels_workers.routing import Router
from channels_workers.worker import log_fields
from channels_workers.worker.dispatch import dispatch
from tests.channels_workers.consumers import not_called

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db

HEADER = "X-Request-ID"
LIMITS = Configuration(REQUEST_ID_HEADER=HEADER)
NEW = re.compile(r"[0-9a-f]{32}")


def scope(*values: bytes, kind: str = "websocket") -> dict[str, Any]:
    headers = [(b"host", b"example.com"), *((b"x-request-id", value) for value in values)]
    return {"type": kind, "path": "/", "headers": headers, "method": "GET"}


@pytest.mark.parametrize(
    "value",
    [b"0123456789abcdef" * 2, b"01234567-89ab-cdef-0123-456789abcdef", b"a" * 200, b"a/b+c=="],
)
def test_the_id_of_the_proxy_is_taken(value: bytes) -> None:
    assert request_id(scope(value), HEADER) == value.decode()


@pytest.mark.parametrize(
    "values",
    [
        (),
        (b"",),
        (b"a" * 201,),
        (b"one", b"two"),
        (b"a b",),
        (b"line\nERROR forged",),
        (b"line\n",),
        (b"\xff\xfe",),
        (b'"},{"',),
    ],
)
def test_anything_else_gets_a_new_id(values: tuple[bytes, ...]) -> None:
    first, second = (request_id(scope(*values), HEADER) for _ in range(2))
    assert NEW.fullmatch(first)
    assert NEW.fullmatch(second)
    assert first != second


def test_without_the_setting_there_is_none() -> None:
    protocol = WebSocketProtocol(scope(b"one"), Configuration())
    (connect,) = protocol.begin("server!socket")
    assert isinstance(connect, Publish)
    assert "request_id" not in connect.content
    protocol.reply({"accept": True})
    protocol.release(0)
    (frame,) = protocol.receive({"type": "websocket.receive", "text": "hello"})
    assert isinstance(frame, Publish)
    assert frame.content == {"path": "/", "text": "hello"}
    assert "request_id" not in protocol.fields("socket_closed")


def test_each_message_and_line_of_a_socket_has_it() -> None:
    protocol = WebSocketProtocol(scope(b"one"), LIMITS)
    (connect,) = protocol.begin("server!socket")
    assert isinstance(connect, Publish)
    assert connect.content["request_id"] == "one"
    protocol.reply({"accept": True})
    protocol.release(0)
    (frame,) = protocol.receive({"type": "websocket.receive", "text": "hello"})
    assert isinstance(frame, Publish)
    assert frame.content == {"path": "/", "text": "hello", "request_id": "one"}
    assert disconnect_content("/", protocol.request_id) == {"path": "/", "request_id": "one"}
    assert protocol.fields("socket_closed")["request_id"] == "one"


def test_a_request_by_workers_has_it() -> None:
    protocol = RequestProtocol(scope(b"one", kind="http"), 0, LIMITS)
    (publish,) = protocol.begin("server!safe.one", b"")
    assert isinstance(publish, Publish)
    assert publish.content["request_id"] == "one"
    assert protocol.fields("send_failed")["request_id"] == "one"


@pytest.mark.parametrize("header", ["X Request", "X-Request-ID:", 7, None, "a" * 101, "a\n"])
def test_other_settings_are_refused(header: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUEST_ID_HEADER": header}
    with pytest.raises(ImproperlyConfigured, match="must be the name of a header"):
        configuration()


def test_lines_of_the_worker_and_of_the_consumer_have_it(
    memory_layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(current := CurrentMessage())
    payload = memory_layer.encode({"path": "/", "text": "x", "request_id": "one"})
    delivery = Delivery(RECEIVE, "t", "c", "server!socket:1", payload, "server!socket", 1)
    seen: list[str | None] = []

    def fail(message: Message) -> None:
        seen.append(message.request_id)
        logging.getLogger("a.project").warning("hello")
        raise ValueError

    dispatch(delivery, memory_layer, Router({RECEIVE: fail}), not_called)
    caplog.handler.removeFilter(current)
    assert seen == ["one"]
    own, failed = caplog.records
    assert (own.__dict__["request_id"], failed.__dict__["request_id"]) == ("one", "one")
    assert failed.__dict__["event"] == "consumer_failed"
    assert log_fields.delivery_fields("put_off", delivery)["request_id"] == "one"
    formatter = TextFormatter()
    assert formatter.format(own).endswith("[server!socket, message server!socket:1, request one]")
    assert " [request one]" in formatter.format(failed)


def test_the_content_of_other_messages_is_no_request_id(memory_layer: InMemoryChannelLayer) -> None:
    payload = memory_layer.encode({"request_id": "forged"})
    delivery = Delivery("own", "t", "c", "id", payload)
    assert Message({"request_id": "forged"}, "own", memory_layer, delivery).request_id is None
    log_fields.note_request_id(delivery, "forged")
    assert log_fields.request_id_of(delivery) is None


def test_a_worker_remembers_the_ids_of_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_fields, "REMEMBERED", 2)
    monkeypatch.setattr(log_fields, "_request_ids", {})
    deliveries = [Delivery(RECEIVE, "t", "c", "id", b"", f"server!{name}") for name in "abc"]
    for delivery in (*deliveries[:2], deliveries[0], deliveries[2]):
        log_fields.note_request_id(delivery, "one")
    known = [log_fields.request_id_of(delivery) for delivery in deliveries]
    assert known == ["one", None, "one"]
