"""The trace of one frame, in one process, on both layers."""

import asyncio
from collections.abc import Callable, Iterator

import msgpack
import pytest
from opentelemetry.trace import SpanKind

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import Published
from channels_workers.tracing import hooks
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from labs.walk.room import Room
from tests.channels_workers.tracing.conftest import Spans, attributes_of, parent_of

MakeLayer = Callable[[], WorkerLayer]

FRAME = "WebSocket frame"


@pytest.fixture(params=["memory", "redis"])
def make_layer(request: pytest.FixtureRequest) -> Iterator[MakeLayer]:
    if request.param == "memory":
        layer = InMemoryChannelLayer()
        yield lambda: layer
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    yield lambda: RedisChannelLayer(hosts=[server.url])


def talk(make_layer: MakeLayer, *texts: str) -> None:
    """Let two sockets into a room, and the first one say *texts*."""

    async def visit() -> None:
        room = Room(make_layer)
        await room.open()
        for text in texts:
            await room.talk(text)
        await room.close()

    asyncio.run(visit())


def test_one_trace_has_all_parts_of_a_frame(make_layer: MakeLayer, spans: Spans) -> None:
    talk(make_layer, "hello")
    root = spans.one(FRAME)
    trace_id = root.context.trace_id
    wait_for(lambda: "commit websocket.receive" in spans.names_in(trace_id), str(spans.all()))
    found = {span.name: span for span in spans.all() if span.context.trace_id == trace_id}
    assert set(found) == {
        FRAME,
        "send websocket.receive",
        "wait websocket.receive",
        "process websocket.receive",
        "send (group)",
        "commit websocket.receive",
        "wait (group)",
        "deliver (group)",
    }
    parents = {name: parent_of(span) for name, span in found.items()}
    ids = {name: span.context.span_id for name, span in found.items()}
    assert parents == {
        FRAME: None,
        "send websocket.receive": ids[FRAME],
        "wait websocket.receive": ids["send websocket.receive"],
        "process websocket.receive": ids["send websocket.receive"],
        "send (group)": ids["process websocket.receive"],
        "commit websocket.receive": ids["process websocket.receive"],
        "wait (group)": ids["send (group)"],
        "deliver (group)": ids["send (group)"],
    }


def test_the_fan_out_of_a_server_is_one_span_with_a_link(
    make_layer: MakeLayer, spans: Spans
) -> None:
    talk(make_layer, "hello")
    delivered, sent = spans.one("deliver (group)"), spans.one("send (group)")
    assert attributes_of(delivered)["channels_workers.receivers"] == 2
    assert [link.context.span_id for link in delivered.links] == [sent.context.span_id]
    assert delivered.kind is SpanKind.CONSUMER
    assert sent.kind is SpanKind.PRODUCER


def test_each_frame_has_a_trace_that_links_to_its_handshake(
    make_layer: MakeLayer, spans: Spans
) -> None:
    talk(make_layer, "one", "two")
    frames, handshakes = spans.named(FRAME), spans.named("WebSocket handshake")
    assert len({span.context.trace_id for span in (*frames, *handshakes)}) == 4
    linked = {link.context.span_id for span in frames for link in span.links}
    assert len(linked) == 1
    assert linked < {span.context.span_id for span in handshakes}


def test_attributes_follow_the_conventions(make_layer: MakeLayer, spans: Spans) -> None:
    talk(make_layer, "hello")
    span = spans.one("process websocket.receive")
    attributes = attributes_of(span)
    connection = attributes.pop("messaging.message.conversation_id")
    size = attributes.pop("messaging.message.body.size")
    assert size > len("hello")
    assert attributes == {
        "messaging.system": "channels_workers",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "websocket.receive",
        "messaging.message.id": f"{connection}:1",
        "code.function.name": "labs.walk.room.say",
    }
    assert span.kind is SpanKind.CONSUMER
    commit = attributes_of(spans.one("commit websocket.receive"))
    assert commit["messaging.operation.type"] == "settle"
    assert commit["channels_workers.result"] == "done"
    group = attributes_of(spans.one("deliver (group)"))
    assert group["messaging.destination.name"] == "lobby"
    assert group["messaging.operation.type"] == "process"


def test_no_span_has_the_text_of_a_frame(make_layer: MakeLayer, spans: Spans) -> None:
    talk(make_layer, "Rhabarberbarbara")
    assert spans.all()
    assert "Rhabarberbarbara" not in "".join(span.to_json() for span in spans.all())


class Recorded(InMemoryChannelLayer):
    """The layer in memory; it keeps the payloads that sockets publish."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[bytes] = []

    def start_publish(
        self,
        channel: str,
        reply_channel: str,
        order: int,
        payload: bytes,
        disconnect_payload: bytes,
        done: Callable[[Published | Exception], object],
    ) -> None:
        self.published += [payload, disconnect_payload]
        message = channel, reply_channel, order, payload, disconnect_payload
        super().start_publish(*message, done)


def payloads() -> list[bytes]:
    layer = Recorded()
    talk(lambda: layer, "hello")
    return layer.published


def test_without_tracing_a_socket_publishes_its_content_alone() -> None:
    assert hooks.active is None
    *_, frame, nothing = payloads()
    assert (frame, nothing) == (msgpack.packb({"path": "/", "text": "hello"}), b"")


def test_with_tracing_a_frame_has_about_150_bytes_more(spans: Spans) -> None:
    *_, frame, nothing = payloads()
    assert 100 < len(frame) - len(msgpack.packb({"path": "/", "text": "hello"})) < 150
    assert nothing == b""
