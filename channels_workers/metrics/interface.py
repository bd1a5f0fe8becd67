"""What interface servers record, and what is read of them at a scrape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from channels_workers.metrics.labels import SECONDS, Children

PREFIX = "channels_workers_"


class Family(NamedTuple):
    """A metric that is read at a scrape: its class, its help, and the names of its labels."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    help: str
    labels: tuple[str, ...] = ()


#: By the names that readings have.
FAMILIES = {
    "sockets": Family(GaugeMetricFamily, "Sockets that the server knows.", ("state",)),
    "handshakes": Family(CounterMetricFamily, "Handshakes, by how they ended.", ("outcome",)),
    "frames_received": Family(CounterMetricFamily, "Frames of clients."),
    "received_bytes": Family(CounterMetricFamily, "Bytes of the frames of clients."),
    "frames_sent": Family(CounterMetricFamily, "Frames that the server program took for clients."),
    "sent_bytes": Family(CounterMetricFamily, "Bytes of these frames."),
    "sockets_closed": Family(
        CounterMetricFamily, "Sockets that were open, by code and who closed.", ("code", "by")
    ),
    "frames_waiting": Family(GaugeMetricFamily, "Frames that no worker has finished."),
    "frames_waiting_bytes": Family(GaugeMetricFamily, "Memory of these frames."),
    "unread_bytes": Family(GaugeMetricFamily, "Bytes that slow clients have not read."),
    "inbox_lag_seconds": Family(GaugeMetricFamily, "Age of the inbox entry that was reached."),
    "inbox_operations": Family(CounterMetricFamily, "Operations in the inbox.", ("kind",)),
    "http_requests": Family(
        CounterMetricFamily, "HTTP requests, by who answers and the status.", ("by", "status")
    ),
    "http_requests_in_progress": Family(
        GaugeMetricFamily, "HTTP requests under way, by who answers.", ("by",)
    ),
    "http_requests_waiting": Family(
        GaugeMetricFamily, "HTTP requests that wait for a place in Django."
    ),
    "requests_refused": Family(
        CounterMetricFamily, "HTTP requests that the server refused by itself.", ("reason",)
    ),
}


class Reading(Protocol):
    """The value of one time series."""

    @property
    def name(self) -> str:
        """A key of :data:`FAMILIES`."""

    @property
    def value(self) -> float:
        """The value."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The values of the labels."""


class Source(Protocol):
    """An interface server."""

    def readings(self) -> Iterable[Reading]:
        """Return the values now; called in a thread of the scrape."""


class InterfaceInstruments(Collector):
    """The instruments of an interface server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sources: WeakSet[Source] = WeakSet()

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            name = f"{PREFIX}{name}"
            return Histogram(name, text, labels, buckets=SECONDS, registry=registry)

        self._handshakes = Children(
            histogram("handshake_seconds", "Until handshakes ended.", "outcome")
        )
        self._waits = histogram("frame_wait_seconds", "From a frame until it is in the layer.")
        self._commits = histogram(
            "frame_to_commit_seconds", "From a frame until the server knows that it is finished."
        )
        self._sends = histogram(
            "commit_to_frame_seconds", "From a commit until the server program has the frame."
        )
        self._requests = Children(
            histogram(
                "http_request_seconds", "Until HTTP requests were answered, without streams.", "by"
            )
        )
        registry.register(self)

    def watch(self, source: Source) -> None:
        """Read *source* at each scrape while it lives."""
        self._sources.add(source)

    def describe(self) -> Iterator[Metric]:
        """Yield the same metrics without samples, so that the registry knows their names."""
        for name, family in FAMILIES.items():
            yield family.kind(f"{PREFIX}{name}", family.help, labels=family.labels)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of :data:`FAMILIES`."""
        values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in FAMILIES}
        for source in list(self._sources):
            for each in source.readings():
                series = values[each.name]
                series[each.labels] = series.get(each.labels, 0.0) + each.value
        for name, family in FAMILIES.items():
            metric = family.kind(f"{PREFIX}{name}", family.help, labels=family.labels)
            for labels, value in values[name].items():
                metric.add_metric(labels, value)
            yield metric

    # What the server times (s)

    def handshake_ended(self, outcome: str, seconds: float) -> None:
        """Note how long a handshake took."""
        self._handshakes[(outcome,)].observe(seconds)

    def frame_published(self, seconds: float) -> None:
        """Note how long a frame waited before it was in the layer."""
        self._waits.observe(seconds)

    def frame_committed(self, seconds: float) -> None:
        """Note how long it took until a worker had finished a frame, and the server knew."""
        self._commits.observe(seconds)

    def frame_sent(self, seconds: float) -> None:
        """Note how long a frame for a client took from its commit to the server program."""
        self._sends.observe(seconds)

    def request_answered(self, by: str, seconds: float) -> None:
        """Note how long a request took that was answered *by* the server or workers."""
        self._requests[(by,)].observe(seconds)
