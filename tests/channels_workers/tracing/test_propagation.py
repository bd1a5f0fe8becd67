"""The context travels with what consumers send, and with what views and clients begin."""

import asyncio
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest
from django.db import transaction
from opentelemetry import baggage, trace
from opentelemetry import context as contexts
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.conf import Configuration
from channels_workers.exceptions import ConsumeLater, DenyConnection
from channels_workers.interface.actions import Publish
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.replies import connect_content
from channels_workers.layers.codec import Content
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import CONNECT, Published, Send
from channels_workers.message import Message
from channels_workers.relay.relay import Relay
from channels_workers.routing import Router
from channels_workers.test import Client as Consuming
from channels_workers.tracing import hooks
from channels_workers.tracing.carriers import BAGGAGE_BYTES, BAGGAGE_ENTRIES, read_carrier
from channels_workers.worker.dispatch import dispatch
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import Client, pull_one
from tests.channels_workers.conftest import RunNext
from tests.channels_workers.consumers import StartGroup, not_called
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.functions import task
from tests.channels_workers.tracing.conftest import Spans, attributes_of, parent_of

# Signals around a consumer close old database connections.
pytestmark = pytest.mark.django_db(transaction=True)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C

FIRST, SECOND = "first", "second"

#: The text of an exception. No span has it.
TEXT = "Rhabarber"


def nothing(message: Message) -> None:
    """Do nothing."""


def assert_continued(spans: Spans, channel: str = SECOND) -> ReadableSpan:
    """The run of *channel* is below the send to it, which is below the run of the sender."""
    run, sent = spans.one(f"process {channel}"), spans.one(f"send {channel}")
    assert parent_of(run) == sent.context.span_id
    assert spans.one(f"wait {channel}").context.trace_id == run.context.trace_id
    return sent


# Sends


def test_a_send_of_a_consumer(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans
) -> None:
    def pass_on(message: Message) -> None:
        Channel(SECOND).send({"text": "on"})

    Channel(FIRST).send({})
    run_next(pass_on, FIRST)
    run_next(nothing, SECOND)
    sent = assert_continued(spans)
    assert parent_of(sent) == spans.one("process first").context.span_id
    assert len({span.context.trace_id for span in spans.all()}) == 1


def test_a_group_with_an_ordinary_channel(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans
) -> None:
    Group("all").add(SECOND)
    Group("all").send({"text": "on"})
    run_next(nothing, SECOND)
    run = spans.one("process second")
    assert parent_of(run) == spans.one("send (group)").context.span_id


def test_a_delayed_message_waits_in_its_trace(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans
) -> None:
    Channel(SECOND).send({"text": "later"}, delay=100)
    now = memory_layer.store.clock()
    memory_layer.store.clock = lambda: now + 101
    memory_layer.admin.send_due()
    run_next(nothing, SECOND)
    assert_continued(spans)


def test_a_stored_send(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"TRACING": True, "RELAY": ["default"]}
    with transaction.atomic():
        Channel(SECOND).send({"text": "stored"}, in_transaction="default")
    relay = Relay("default", memory_layer, "default")
    relay.look()
    run_next(nothing, SECOND)
    assert_continued(spans)
    relay.release()


def test_spans_of_the_project_are_parents_of_its_sends(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans
) -> None:
    async def pass_on(message: Message) -> None:
        with trace.get_tracer("board").start_as_current_span("board.compute"):
            await Channel(SECOND).asend({"text": "on"})

    Channel(FIRST).send({})
    run_next(pass_on, FIRST)
    run_next(nothing, SECOND)
    own = spans.one("board.compute")
    assert parent_of(own) == spans.one("process first").context.span_id
    assert parent_of(assert_continued(spans)) == own.context.span_id


@pytest.mark.parametrize("is_failing", [False, True])
def test_a_task(
    is_failing: bool,
    memory_layer: InMemoryChannelLayer,
    run_next: RunNext,
    spans: Spans,
    settings: Settings,
) -> None:
    settings.TASKS = {"default": {"BACKEND": "channels_workers.tasks.TaskBackend"}}
    arguments = ("no number",) if is_failing else (1,)

    def enqueue(message: Message) -> None:
        task(functions.add).enqueue(*arguments, second=2)

    Channel(FIRST).send({})
    run_next(enqueue, FIRST)
    Consuming().consume("tasks.default")
    sent = assert_continued(spans, "tasks.default")
    assert parent_of(sent) == spans.one("process first").context.span_id
    run = spans.one("process tasks.default")
    assert attributes_of(run)["channels_workers.task"].endswith("functions.add")
    assert (run.status.status_code is StatusCode.ERROR) is is_failing
    assert [event.name for event in run.events] == ["exception"] * is_failing


def test_a_message_without_a_context_begins_a_trace(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {}
    Channel(SECOND).send({"text": "of a process without tracing"})
    settings.CHANNEL_WORKERS = {"TRACING": True}
    run_next(nothing, SECOND)
    assert [span.name for span in spans.all()] == ["process second"]
    assert spans.one("process second").parent is None


def test_consumers_never_see_the_context(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans, settings: Settings
) -> None:
    seen: list[Content] = []
    for is_on in (True, False):
        settings.CHANNEL_WORKERS = {"TRACING": True}
        Channel(SECOND).send({"text": "on"})
        payload = memory_layer.make_send(SECOND, {"text": "on"}).payload
        assert hooks.CARRIER in memory_layer.codec.decode(payload)
        settings.CHANNEL_WORKERS = {"TRACING": is_on}
        run_next(lambda message: seen.append(dict(message.content)), SECOND)
    assert seen == [{"text": "on"}] * 2


def test_readers_of_channels_4_never_see_the_context(
    memory_layer: InMemoryChannelLayer, spans: Spans
) -> None:
    async def exchange() -> list[Content]:
        own = await memory_layer.new_channel()
        await memory_layer.send(own, {"type": "own"})
        await memory_layer.send("ordinary", {"type": "ordinary"})
        return [await memory_layer.receive(own), await memory_layer.receive("ordinary")]

    assert asyncio.run(exchange()) == [{"type": "own"}, {"type": "ordinary"}]


# The format of messages


def test_without_tracing_each_payload_is_the_content_alone(
    memory_layer: InMemoryChannelLayer,
) -> None:
    content = {"text": "hello"}
    bare = msgpack.packb(content)
    assert hooks.active is None
    assert memory_layer.make_send("channel", content).payload == bare
    assert memory_layer.make_send_later("channel", content, 1).payload == bare
    assert memory_layer.make_group_send("group", content).payload == bare


def test_a_context_has_a_bounded_size(memory_layer: InMemoryChannelLayer, spans: Spans) -> None:
    content = {"text": "hello"}
    payload = memory_layer.make_send("channel", content).payload
    assert 100 < len(payload) - len(msgpack.packb(content)) < 150


@pytest.mark.parametrize(
    "carrier",
    [
        *(None, 1, "text", [], {}, {"traceparent": 1}, {"traceparent": "x" * 10_000}),
        {"traceparent": PARENT, "tracestate": 7, "sent": "yesterday", "baggage": "a=b"},
        {"traceparent": PARENT, "tracestate": "x" * 10_000, "baggage": {1: 2}},
    ],
)
def test_a_malformed_context_harms_nothing(carrier: Any, spans: Spans) -> None:
    origin = read_carrier(carrier)
    assert origin.sent == 0
    assert baggage.get_all(origin.context) == {}
    assert len(origin.links) == (isinstance(carrier, dict) and carrier.get("traceparent") == PARENT)


# Errors


def fails(message: Message) -> None:
    raise ValueError(TEXT)


async def afails(message: Message) -> None:
    raise ValueError(TEXT)


@pytest.mark.parametrize("consumer", [fails, afails])
def test_a_failure_is_a_status_and_an_event_without_text(
    consumer: Any, memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans
) -> None:
    Channel(SECOND).send({})
    run_next(consumer, SECOND)
    run = spans.one("process second")
    assert run.status.status_code is StatusCode.ERROR
    assert run.status.description == attributes_of(run)["error.type"] == "builtins.ValueError"
    (event,) = run.events
    assert event.name == "exception"
    assert set(event.attributes or {}) == {"exception.type", "exception.stacktrace"}
    assert consumer.__name__ in str((event.attributes or {})["exception.stacktrace"])
    assert TEXT not in run.to_json()


def test_under_debug_the_event_has_the_text(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans, settings: Settings
) -> None:
    settings.DEBUG = True
    Channel(SECOND).send({})
    run_next(fails, SECOND)
    (event,) = spans.one("process second").events
    assert (event.attributes or {})["exception.message"] == TEXT


@pytest.mark.parametrize(
    ("error", "result"), [(ConsumeLater, "put off"), (DenyConnection, "refused")]
)
def test_an_answer_by_exception_is_no_failure(
    error: type[Exception], result: str, connected: Client, run_next: RunNext, spans: Spans
) -> None:
    def answer(message: Message) -> None:
        raise error

    run_next(answer, CONNECT)
    run = spans.one("process websocket.connect")
    assert run.status.status_code is StatusCode.UNSET
    assert attributes_of(run)["channels_workers.result"] == result


def test_a_refused_commit_has_its_span_when_it_is_done(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup, spans: Spans
) -> None:
    start_group({SECOND: nothing})
    Channel(SECOND).send({})
    wait_for(lambda: spans.named("commit second"), "a commit")
    commit = spans.one("commit second")
    assert parent_of(commit) == spans.one("process second").context.span_id
    assert attributes_of(commit)["channels_workers.result"] == "done"


# Clients


def begin(*headers: tuple[bytes, bytes]) -> Content:
    """The content of a handshake with these headers, as it goes to the layer."""
    assert hooks.active is not None
    connection = SimpleNamespace(reply_channel="server!socket", trace=None)
    content = connect_content({"type": "websocket", "path": "/", "headers": headers})
    done: list[Any] = []
    sent, _, answer = hooks.active.publish(
        connection, Publish(CONNECT, 0, content), {"path": "/"}, done.append
    )
    answer(Published.PUBLISHED)
    assert done == [Published.PUBLISHED]
    return sent


CLIENTS = ((b"traceparent", PARENT.encode()), (b"tracestate", b"a=1"), (b"baggage", b"tenant=evil"))


def test_a_client_does_not_choose_its_trace(spans: Spans, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"TRACING": True, "TRACING_BAGGAGE": ["tenant"]}
    content = begin(*CLIENTS)
    root = spans.one("WebSocket handshake")
    assert root.parent is None
    assert root.context.trace_id != TRACE_ID
    assert "baggage" not in content[hooks.CARRIER]
    assert "tracestate" not in content[hooks.CARRIER]


def test_a_trusted_proxy_chooses_the_trace_and_no_baggage(spans: Spans, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {
        "TRACING": True,
        "TRACING_FROM_CLIENTS": True,
        "TRACING_BAGGAGE": ["tenant"],
    }
    content = begin(*CLIENTS)
    root = spans.one("WebSocket handshake")
    assert root.context.trace_id == TRACE_ID
    assert content[hooks.CARRIER]["tracestate"] == "a=1"
    assert "baggage" not in content[hooks.CARRIER]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"traceparent", PARENT.encode())] * 2,
        [(b"traceparent", PARENT.encode() + b"x" * 1000)],
        [(b"traceparent", b"\xff\xfe")],
        [(b"traceparent", b"")],
    ],
)
def test_headers_that_w3c_forbids_count_as_none(
    headers: list[tuple[bytes, bytes]], spans: Spans, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"TRACING": True, "TRACING_FROM_CLIENTS": True}
    begin(*headers)
    assert spans.one("WebSocket handshake").parent is None


def test_a_layer_that_does_not_answer_is_an_error(spans: Spans) -> None:
    assert hooks.active is not None
    connection = SimpleNamespace(reply_channel="server!socket", trace=None)
    step = Publish(CONNECT, 0, {"path": "/"})
    *_, answer = hooks.active.publish(connection, step, {"path": "/"}, lambda result: None)
    answer(RuntimeError(TEXT))
    assert spans.one("send websocket.connect").status.status_code is StatusCode.ERROR
    assert TEXT not in "".join(span.to_json() for span in spans.all())


def test_the_wait_behind_an_earlier_frame_is_a_span(spans: Spans) -> None:
    assert hooks.active is not None
    protocol = WebSocketProtocol({"type": "websocket", "path": "/", "headers": []}, Configuration())
    connection = SimpleNamespace(reply_channel="server!socket", trace=None)
    protocol.begin("server!socket")
    protocol.reply({"accept": True})
    assert protocol.receive({"type": "websocket.receive", "text": "waits"}) == []
    (step,) = protocol.release(0)
    assert isinstance(step, Publish)
    *_, answer = hooks.active.publish(connection, step, {}, lambda result: None)
    answer(Published.PUBLISHED)
    wait, root = spans.one("wait for earlier frame"), spans.one("WebSocket frame")
    assert step.received > 0
    assert step.waited
    assert abs(wait.start_time - root.start_time) < 1e9
    assert parent_of(wait) == root.context.span_id


def test_a_disconnect_begins_a_trace_with_a_link(
    memory_layer: InMemoryChannelLayer, spans: Spans
) -> None:
    assert hooks.active is not None
    connection = SimpleNamespace(reply_channel="server!socket", trace=None)
    step = Publish(CONNECT, 0, {"path": "/"})
    _, last, answer = hooks.active.publish(connection, step, {"path": "/"}, lambda result: None)
    answer(Published.PUBLISHED)
    Channel("gone").send({})
    delivery = pull_one(memory_layer, "gone")._replace(payload=memory_layer.encode(last))
    dispatch(delivery, memory_layer, Router({"gone": nothing}), not_called)
    run, handshake = spans.one("process gone"), spans.one("WebSocket handshake")
    assert run.parent is None
    assert [link.context.span_id for link in run.links] == [handshake.context.span_id]


# Baggage


def carried(memory_layer: InMemoryChannelLayer, entries: dict[str, str]) -> Any:
    """The baggage of a message that is sent with these entries in the context."""
    context = contexts.get_current()
    for name, value in entries.items():
        context = baggage.set_baggage(name, value, context)
    token = contexts.attach(context)
    try:
        payload = memory_layer.make_send("channel", {}).payload
    finally:
        contexts.detach(token)
    return memory_layer.codec.decode(payload)[hooks.CARRIER].get("baggage")


def test_only_named_baggage_goes_on(
    memory_layer: InMemoryChannelLayer, spans: Spans, settings: Settings
) -> None:
    entries = {"tenant": "blue", "secret": "x"}
    assert carried(memory_layer, entries) is None
    settings.CHANNEL_WORKERS = {"TRACING": True, "TRACING_BAGGAGE": ["tenant", "absent"]}
    assert carried(memory_layer, entries) == {"tenant": "blue"}


def test_a_consumer_reads_the_baggage(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"TRACING": True, "TRACING_BAGGAGE": ["tenant"]}
    seen: list[Any] = []
    token = contexts.attach(baggage.set_baggage("tenant", "blue"))
    Channel(SECOND).send({})
    contexts.detach(token)
    run_next(lambda message: seen.append(baggage.get_baggage("tenant")), SECOND)
    assert seen == ["blue"]
    assert baggage.get_baggage("tenant") is None


@pytest.mark.parametrize("size", [1, BAGGAGE_BYTES])
def test_baggage_is_bounded_and_the_rest_is_logged_once(
    size: int,
    memory_layer: InMemoryChannelLayer,
    spans: Spans,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = [f"n{size}-{number}" for number in range(BAGGAGE_ENTRIES + 5)]
    settings.CHANNEL_WORKERS = {"TRACING": True, "TRACING_BAGGAGE": names}
    for _ in range(2):
        kept = carried(memory_layer, dict.fromkeys(names, "x" * size))
        assert len(kept or {}) == (BAGGAGE_ENTRIES if size == 1 else 0)
    events = [getattr(record, "event", "") for record in caplog.records]
    assert events.count("baggage_dropped") == 1


# Sampling


def test_a_trace_that_is_not_sampled_stays_so_and_makes_no_span(
    memory_layer: InMemoryChannelLayer, run_next: RunNext, spans: Spans, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"TRACING": True, "TRACING_FROM_CLIENTS": True}
    content = begin((b"traceparent", PARENT[:-1].encode() + b"0"))
    carrier = content[hooks.CARRIER]
    assert carrier["traceparent"].endswith("-00")
    assert hooks.active is not None
    assert hooks.active.deliver(carrier, "room", 2, to_group=True) is None
    memory_layer.apply([Send(FIRST, memory_layer.encode(content))])

    def pass_on(message: Message) -> None:
        Channel(SECOND).send({"text": "on"})

    run_next(pass_on, FIRST)
    run_next(nothing, SECOND)
    assert spans.all() == []
