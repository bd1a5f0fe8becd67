"""The spans of a message, by the semantic conventions of OpenTelemetry for messaging.

Of a trace that a sampler drops, the root and the runs make spans, which the sampler drops. The
other spans would follow their parents, so they are not made: that costs half.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind

from channels_workers.exceptions import ConsumeLater, DenyConnection
from channels_workers.layers.codec import Content
from channels_workers.layers.types import (
    Committed,
    Finished,
    Published,
)
from channels_workers.logs import name_of
from channels_workers.message import Message
from channels_workers.tracing import failures
from channels_workers.tracing.attributes import (
    Attributes,
    connection_attributes,
    consumer_attributes,
    destination,
    message_attributes,
)
from channels_workers.tracing.carriers import Origin, read_carrier, read_headers, with_carrier
from channels_workers.tracing.hooks import Done, Publication, Traced


class RunTrace(NamedTuple):
    """The span of a run, and when it ended (ns since 1970): its commit begins there."""

    context: Context
    ended: int
    is_sampled: bool


class _Thread(threading.local):
    """When the layer answered the last commits of a thread (ns since 1970); 0 if not known."""

    replied_at = 0


class Delivery:
    """A span of a server that hands one message to its sockets."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self) -> None:
        """Note that each socket has it."""
        self._span.end()


class Spans:
    """The tracing of a process, which the engine calls by :mod:`channels_workers.tracing.hooks`."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("channels_workers")
        self._thread = _Thread()

    # The interface server

    def publish(
        self, connection: Traced, step: Publication, last: Content, done: Done
    ) -> tuple[Content, Content, Done]:
        """Begin the trace of a message of *connection*, from its arrival to the layer's answer.

        Frames have traces of their own, with a link to the span of their handshake.
        """
        now = time.time_ns()
        root = self._root(connection, step, now)
        context = trace.set_span_in_context(root, Context())
        if not step.order:
            connection.trace = root.get_span_context()
            last = with_carrier(last, context, now, is_late=True)
        if not root.is_recording():
            return with_carrier(step.content, context, now), last, done
        if step.waited:
            self._wait("wait for earlier frame", context, _received(step, now), now)
        sending = self._tracer.start_span(
            f"send {step.channel}",
            context,
            SpanKind.PRODUCER,
            message_attributes("send", step.channel, connection.reply_channel),
            start_time=now,
        )
        content = with_carrier(step.content, trace.set_span_in_context(sending, Context()), now)
        return content, last, partial(self._published, root, sending, done)

    def _root(self, connection: Traced, step: Publication, now: int) -> Span:
        context, links = Context(), []
        if step.order == 0:
            context = read_headers(step.content.get("headers", ())).context
        elif isinstance(connection.trace, SpanContext) and connection.trace.is_valid:
            links = [Link(connection.trace)]
        name, attributes = connection_attributes(step, connection.reply_channel)
        start = _received(step, now)
        return self._tracer.start_span(
            name, context, SpanKind.SERVER, attributes, links, start_time=start
        )

    def _published(
        self, root: Span, sending: Span, done: Done, published: Published | Exception
    ) -> None:
        if isinstance(published, Exception):
            failures.record(sending, published)
            failures.record(root, published)
        elif published is not Published.PUBLISHED:
            sending.set_attribute("channels_workers.result", published.value)
        sending.end()
        root.end()
        done(published)

    def deliver(
        self, carrier: Any, target: str, receivers: int, *, to_group: bool
    ) -> Delivery | None:
        """Begin to hand a message to *receivers*; without a trace in it there is no span."""
        origin, now = read_carrier(carrier), time.time_ns()
        if not origin.is_sampled:
            return None
        name, attributes = destination("deliver", target, is_group=to_group)
        attributes["channels_workers.receivers"] = receivers
        if origin.sent:
            self._wait(f"wait {name}", origin.context, origin.sent, now)
        links = origin.links if to_group else []
        span = self._tracer.start_span(
            f"deliver {name}", origin.context, SpanKind.CONSUMER, attributes, links, start_time=now
        )
        return Delivery(span)

    # Everywhere

    def send(self, target: str, content: Content, *, to_group: bool = False) -> Content:
        """Return *content* with the context of a new span, a child of the current one."""
        current, now = trace.get_current_span(), time.time_ns()
        if current.get_span_context().is_valid and not current.is_recording():
            return with_carrier(content, contexts.get_current(), now)
        name, attributes = destination("send", target, is_group=to_group)
        span = self._tracer.start_span(
            f"send {name}", kind=SpanKind.PRODUCER, attributes=attributes, start_time=now
        )
        span.end()
        return with_carrier(content, trace.set_span_in_context(span), now)

    def _wait(self, name: str, context: Context, since: int, now: int) -> None:
        """Record a wait that is over; clocks of two machines may differ."""
        start = min(since, now)
        self._tracer.start_span(name, context, start_time=start).end(now)

    # The worker

    def around(self, consume: Callable[..., Any], carrier: Any) -> Callable[..., Any]:
        """Return *consume* of dispatch in a span, which continues the trace of *carrier*."""
        return partial(self._consume, consume, read_carrier(carrier))

    def _consume(
        self,
        consume: Callable[..., Any],
        origin: Origin,
        message: Message,
        match: Any,
        *arguments: Any,
    ) -> Any:
        span = self._begin_run(origin, message, name_of(match.consumer))
        base = contexts.attach(trace.set_span_in_context(span, origin.context))
        try:
            outcome = consume(message, match, *arguments)
        except BaseException as error:
            failures.record(span, error)
            raise
        else:
            _note_outcome(span, outcome)
        finally:
            contexts.detach(base)
            ended = time.time_ns()
            span.end(ended)
        is_sampled = span.get_span_context().trace_flags.sampled
        run = RunTrace(trace.set_span_in_context(span, Context()), ended, is_sampled)
        return outcome._replace(trace=run)

    def _begin_run(self, origin: Origin, message: Message, consumer: str) -> Span:
        now, channel = time.time_ns(), message.channel_name
        context = Context() if origin.is_late else origin.context
        if origin.sent and origin.is_sampled:
            self._wait(f"wait {channel}", context, origin.sent, now)
        return self._tracer.start_span(
            f"process {channel}",
            context,
            SpanKind.CONSUMER,
            consumer_attributes(message, consumer),
            origin.links if origin.is_late else [],
            start_time=now,
        )

    def replied(self) -> None:
        """Note that the layer has answered the commits of this thread, before a wait for more."""
        self._thread.replied_at = time.time_ns()

    def committed(
        self, finished: Sequence[Finished], done: Sequence[Committed | Exception]
    ) -> None:
        """Record the commits that are *done*; those that failed are tried again."""
        now = self._thread.replied_at or time.time_ns()
        self._thread.replied_at = 0
        for each, result in zip(finished, done, strict=True):
            run = each.trace
            if isinstance(run, RunTrace) and run.is_sampled and isinstance(result, Committed):
                self._note_commit(each, run, result, now)

    def _note_commit(self, finished: Finished, run: RunTrace, result: Committed, now: int) -> None:
        delivery = finished.delivery
        attributes: Attributes = {
            **message_attributes("settle", delivery.channel, delivery.reply_channel),
            "messaging.operation.name": "commit",
            "messaging.message.id": delivery.id,
            "channels_workers.operations": len(finished.operations),
            "channels_workers.result": result.value,
        }
        self._tracer.start_span(
            f"commit {delivery.channel}",
            run.context,
            SpanKind.CLIENT,
            attributes,
            start_time=min(run.ended, now),
        ).end(now)

    def note_task(self, path: str) -> None:
        """Name the task in the span of the running consumer."""
        trace.get_current_span().set_attribute("channels_workers.task", path)

    def note_failure(self, error: BaseException) -> None:
        """Record an error that the running consumer handles."""
        failures.record(trace.get_current_span(), error)


def _note_outcome(span: Span, outcome: Any) -> None:
    error = outcome.error
    if isinstance(error, ConsumeLater):
        span.set_attribute("channels_workers.result", "put off")
    elif isinstance(error, DenyConnection):
        span.set_attribute("channels_workers.result", "refused")
    elif error is not None:
        failures.record(span, error)


def _received(step: Publication, now: int) -> int:
    """Return when what *step* publishes came, on the clock of *now* (ns since 1970)."""
    if not step.received:
        return now
    return now - int((time.monotonic() - step.received) * 1e9)
