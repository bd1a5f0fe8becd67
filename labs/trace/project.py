"""The settings and consumers of a room, whose processes write their spans to files.

The variable `TRACES` is a folder. Each process appends to a file of its own there, a span as JSON
per line. To measure the cost instead, `TRACING` is ``off``; ``on``, with spans that are batched and
dropped; or ``sampled out``, with a sampler that keeps none.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.urls import path
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from channels_workers import Group, route
from channels_workers.message import Message
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as CHAT

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
CHANNEL_ROUTING = "labs.trace.project.channel_routing"
TRACING = os.environ.get("TRACING", "on")
ROOT_URLCONF = "labs.trace.project"
CHANNEL_WORKERS = {**CHAT, "TRACING": TRACING != "off", "HTTP": "workers"}

#: What a consumer that fails has in its exception, and no span.
SECRET = "Rhabarberbarbara"


def enter(message: Message) -> None:
    """Let a socket into the room."""
    Group("lobby").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def say(message: Message) -> None:
    """Send a frame to everybody in the room; fail for the text ``fail``."""
    if message["text"] == "fail":
        raise ValueError(SECRET)
    Group("lobby").send({"text": message["text"]})


def page(request: HttpRequest) -> HttpResponse:
    """Answer, in a worker."""
    return HttpResponse("hello")


urlpatterns = [path("page/", page)]

channel_routing = [route("websocket.connect", enter), route("websocket.receive", say)]


def _line(span: ReadableSpan) -> str:
    return f"{span.to_json(indent=None)}\n"


class Dropped(SpanExporter):
    """Sends spans nowhere."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode *spans* as for a file, and drop them."""
        for span in spans:
            _line(span)
        return SpanExportResult.SUCCESS


def _trace_to_nowhere() -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF if TRACING == "sampled out" else ALWAYS_ON)
    provider.add_span_processor(BatchSpanProcessor(Dropped()))
    trace.set_tracer_provider(provider)


def _trace_to(folder: Path) -> None:
    service = "worker" if "runworker" in sys.argv else "server"
    file = (folder / f"{service}-{os.getpid()}.jsonl").open("a", buffering=1)
    provider = TracerProvider(resource=Resource({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=file, formatter=_line)))
    trace.set_tracer_provider(provider)


if "TRACES" in os.environ:
    _trace_to(Path(os.environ["TRACES"]))
elif "TRACING" in os.environ and TRACING != "off":
    _trace_to_nowhere()
