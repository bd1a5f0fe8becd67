"""The context of a trace inside a message, and in the headers of a client."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from channels_workers.conf import configuration
from channels_workers.layers.codec import Content
from channels_workers.logs import fields
from channels_workers.tracing.hooks import CARRIER

logger = logging.getLogger(__name__)

#: How many entries of baggage a message passes on, and their size with their names (bytes).
BAGGAGE_ENTRIES, BAGGAGE_BYTES = 16, 1024

#: The longest traceparent, and the longest tracestate that W3C asks to pass on (characters).
PARENT_LENGTH, STATE_LENGTH = 55, 512

_w3c = TraceContextTextMapPropagator()

_dropped: set[str] = set()


class Origin(NamedTuple):
    """Where a message comes from: the context of its trace, and when it was sent.

    *sent* is in ns since 1970, 0 if it is unknown. A message that *is_late*, such as a disconnect
    hours after its handshake, begins a trace of its own with a *link*.
    """

    context: Context
    sent: int = 0
    is_late: bool = False

    @property
    def span(self) -> Span:
        """The span that made the message."""
        return trace.get_current_span(self.context)

    @property
    def is_sampled(self) -> bool:
        """Whether there is such a span, and it is recorded."""
        return self.span.get_span_context().trace_flags.sampled

    @property
    def links(self) -> list[Link]:
        """A link to that span, if there is one."""
        found = self.span.get_span_context()
        return [Link(found)] if found.is_valid else []


NOWHERE = Origin(Context())


def with_carrier(
    content: Content, context: Context, sent: int, *, is_late: bool = False
) -> Content:
    """Return a copy of *content* that carries *context*; *content* itself if that has no trace."""
    carrier: dict[str, Any] = {}
    _w3c.inject(carrier, context)
    if "traceparent" not in carrier:
        return content
    if len(carrier.get("tracestate", "")) > STATE_LENGTH:
        del carrier["tracestate"]
    if is_late:
        carrier["late"] = True
    else:
        carrier["sent"] = sent
    if entries := _baggage_of(context):
        carrier["baggage"] = entries
    return {**content, CARRIER: carrier}


def _baggage_of(context: Context) -> dict[str, str]:
    """Return the entries that ``TRACING_BAGGAGE`` names, as far as they are within the bounds."""
    kept: dict[str, str] = {}
    size = 0
    for name in configuration().TRACING_BAGGAGE:
        value = baggage.get_baggage(name, context)
        if not isinstance(value, str):
            continue
        size += len(name.encode()) + len(value.encode("utf-8", "replace"))
        if len(kept) == BAGGAGE_ENTRIES or size > BAGGAGE_BYTES:
            _log_dropped(name)
            break
        kept[name] = value
    return kept


def _log_dropped(name: str) -> None:
    if name not in _dropped and len(_dropped) < BAGGAGE_ENTRIES:
        _dropped.add(name)
        logger.warning(
            "Messages do not pass on the baggage %r and what follows it in TRACING_BAGGAGE: "
            "together it has more than %d entries or %d bytes. Keep less in it. This is logged "
            "once for a name",
            name,
            BAGGAGE_ENTRIES,
            BAGGAGE_BYTES,
            extra=fields("baggage_dropped"),
        )


def read_carrier(carrier: Any) -> Origin:
    """Return the origin that *carrier*, of a message, names; without a trace if it has none."""
    if not isinstance(carrier, dict):
        return NOWHERE
    context = _extracted(carrier)
    entries = carrier.get("baggage")
    if isinstance(entries, dict):
        allowed = configuration().TRACING_BAGGAGE
        for name, value in list(entries.items())[:BAGGAGE_ENTRIES]:
            if name in allowed and isinstance(value, str) and len(value) <= BAGGAGE_BYTES:
                context = baggage.set_baggage(name, value, context)
    sent = carrier.get("sent")
    return Origin(context, sent if isinstance(sent, int) else 0, bool(carrier.get("late")))


def read_headers(headers: Iterable[Any]) -> Origin:
    """Return the origin that the headers of a client name, if ``TRACING_FROM_CLIENTS`` is set."""
    if not configuration().TRACING_FROM_CLIENTS:
        return NOWHERE
    found: dict[str, list[str]] = {"traceparent": [], "tracestate": []}
    for name, value in headers:
        text = bytes(name).decode("latin-1").lower()
        if text in found:
            found[text].append(bytes(value).decode("latin-1"))
    if len(found["traceparent"]) != 1:  # by W3C, two are as bad as none
        return NOWHERE
    return Origin(_extracted({name: ",".join(values) for name, values in found.items()}))


def _extracted(carrier: Mapping[str, Any]) -> Context:
    """Return the context in *carrier*: of other types and lengths it takes nothing."""
    parent, state = carrier.get("traceparent"), carrier.get("tracestate")
    if not isinstance(parent, str) or len(parent) > PARENT_LENGTH:
        return Context()
    known = {"traceparent": parent}
    if isinstance(state, str) and 0 < len(state) <= STATE_LENGTH:
        known["tracestate"] = state
    return _w3c.extract(known, Context())
