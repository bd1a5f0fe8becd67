"""Server-sent events."""

from typing import Any

import pytest

from channels_workers.channel import Group
from channels_workers.http import sse
from channels_workers.layers.history import make_histories
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import REQUEST
from channels_workers.message import Message
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.http.server import Exchange

# Signals around a request clean up database connections.
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("retry", "content"), [(None, b":\n\n"), (0, b"retry: 0\n\n")])
def test_a_stream_begins_and_stays_open(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, retry: int | None, content: bytes
) -> None:
    def follow(message: Any) -> None:
        Group("news").add(message.reply_channel)
        sse.start(message, retry)
        Group("news").send(sse.server_sent_event("one"))

    exchange = Exchange(memory_layer)
    exchange.publish()
    run_next(follow, REQUEST)
    exchange.until_released()
    Group("news").send(sse.server_sent_event("two"))
    head, one, two = exchange.contents
    assert head == {
        "status": 200,
        "headers": [
            [b"Content-Type", b"text/event-stream; charset=utf-8"],
            [b"Cache-Control", b"no-cache, no-transform"],
            [b"X-Accel-Buffering", b"no"],
        ],
        "content": content,
        "more_content": True,
    }
    assert one == {"content": b"data: one\n\n", "more_content": True}
    assert two == {"content": b"data: two\n\n", "more_content": True}
    assert exchange.released == [0]
    assert not exchange.has_ended


def test_a_stream_goes_on_after_the_last_event(
    memory_layer: InMemoryChannelLayer, run_next: RunNext
) -> None:
    memory_layer.histories = make_histories({"news": {"messages": 3}}, 2**20)
    group = Group("news")
    event = sse.server_sent_event("one", id=sse.POSITION)

    def follow(message: Any) -> None:
        sse.start(
            message, joined=group.add(message.reply_channel, since=sse.last_event_id(message))
        )

    def stream(last: str | None = None) -> list[bytes]:
        exchange = Exchange(memory_layer)
        exchange.publish(headers=[] if last is None else [[b"last-event-id", last.encode()]])
        run_next(follow, REQUEST)
        exchange.until_released()
        return [each["content"] for each in exchange.contents]

    group.send(event)
    [begun] = stream()
    first = begun.decode().removeprefix("id: ").strip()
    epoch = first.removesuffix(":1")
    group.send(event)
    group.send(event)
    # The server holds back what comes before the head; this receiver does not.
    replayed = [f"id: {epoch}:{n}\ndata: one\n\n".encode() for n in (2, 3)]
    assert stream(first) == [*replayed, b":\n\n"]
    assert stream(f"{epoch}:3") == [f"id: {epoch}:3\n\n".encode()]
    for _ in range(2):
        group.send(event)
    gap = f"id: {epoch}:5\nevent: gap\ndata: \n\n".encode()
    assert stream(first) == stream("no position") == [gap]


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        ({"data": ""}, "data: \n\n"),
        ({"data": "one"}, "data: one\n\n"),
        ({"data": "one\ntwo\r\nthree\rfour"}, "data: one\ndata: two\ndata: three\ndata: four\n\n"),
        ({"data": "one\n"}, "data: one\ndata: \n\n"),
        ({"data": " \N{LINE SEPARATOR}\x0b: id: 7"}, "data:  \N{LINE SEPARATOR}\x0b: id: 7\n\n"),
        ({"data": "one\n\nid: 7"}, "data: one\ndata: \ndata: id: 7\n\n"),
        (
            {"data": "é", "event": "ü", "id": "ö", "retry": 5},
            "event: ü\nid: ö\nretry: 5\ndata: é\n\n",
        ),
        ({"data": "one", "id": ""}, "id: \ndata: one\n\n"),
    ],
)
def test_an_event_is_encoded(arguments: dict[str, Any], content: str) -> None:
    assert sse.server_sent_event(**arguments) == {"content": content.encode(), "more_content": True}


@pytest.mark.parametrize(
    "arguments",
    [
        *({"event": f"one{end}data: two"} for end in ("\n", "\r", "\r\n")),
        *({"id": f"one{end}data: two"} for end in ("\n", "\r", "\r\n", "\0")),
        *({"retry": wrong} for wrong in (-1, 1.5, True, "5\ndata: two")),
    ],
)
def test_no_field_can_hold_another(arguments: dict[str, Any]) -> None:
    [name] = arguments
    with pytest.raises(ValueError, match=name):
        sse.server_sent_event("one", **arguments)


def test_a_wrong_retry_begins_no_stream(memory_layer: InMemoryChannelLayer) -> None:
    message = Message({"reply_channel": "answers"}, REQUEST, memory_layer)
    with pytest.raises(ValueError, match="retry must be"):
        sse.start(message, -1)
    assert memory_layer.length("answers") == 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (None, None),
        ([], None),
        ([[b"accept", b"text/event-stream"]], None),
        ([[b"accept", b"*/*"], [b"last-event-id", "é7".encode()]], "é7"),
        ([[b"last-event-id", b"\xff"]], "�"),
    ],
)
def test_the_last_event_id_is_that_of_the_browser(headers: Any, expected: str | None) -> None:
    assert sse.last_event_id(Message({"headers": headers}, REQUEST, None)) == expected
