"""Shared by the tests of traces.

spans
    `Spans`: tracing is on, with `TRACING`, and what it has exported is in here. `spans.named(...)`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_django import Settings

from channels_workers.tracing import hooks

_exporter = InMemorySpanExporter()


class Spans:
    """The finished spans of this process."""

    def all(self) -> list[ReadableSpan]:
        return sorted(_exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        found = self.named(name)
        assert len(found) == 1, f"{name}: {[span.name for span in self.all()]}"
        return found[0]

    def names_in(self, trace_id: int) -> list[str]:
        return [span.name for span in self.all() if span.context.trace_id == trace_id]

    def clear(self) -> None:
        _exporter.clear()


def parent_of(span: ReadableSpan) -> Any:
    return span.parent and span.parent.span_id


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.fixture(scope="session")
def provider() -> TracerProvider:
    """The provider of this process; OpenTelemetry lets a process set one."""
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(_exporter))
    trace.set_tracer_provider(made)
    return made


@pytest.fixture
def spans(provider: TracerProvider, settings: Settings) -> Iterator[Spans]:
    settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, "TRACING": True}
    _exporter.clear()
    yield Spans()
    settings.CHANNEL_WORKERS = {}
    assert hooks.active is None
