"""What processes record about their channel layer."""

from __future__ import annotations

import threading
from collections import Counter as Counts
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from channels_workers.metrics.computed import Computed
from channels_workers.metrics.labels import SECONDS, Children

#: The script that commits, as the label says.
COMMIT = "commit"

#: The buckets of messages in one commit.
MESSAGES = (1, 2, 4, 8, 16, 32)

#: Why a request failed, as the label says.
KINDS = ("timeout", "connection", "refused", "other")


class LayerInstruments:
    """The instruments of a process that uses a channel layer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._epochs: dict[str, str] = {}
        self._clock_error = Computed(
            registry,
            "channels_workers_clock_error_seconds",
            "By how much times that need the clock of the layer may be wrong.",
        )
        requests = Histogram(
            "channels_workers_redis_request_seconds",
            "How long Redis took to answer calls of scripts, from the write to the reply.",
            ("script",),
            buckets=SECONDS,
            registry=registry,
        )
        self._requests = Children(requests)
        self._errors = Counter(
            "channels_workers_redis_errors",
            "Failed requests and connections to Redis.",
            ("kind",),
            registry=registry,
        )
        for kind in KINDS:
            self._errors.labels(kind)
        self._reconnects = Counter(
            "channels_workers_redis_reconnects",
            "Connections of threads and servers to Redis that had to be opened again.",
            registry=registry,
        )
        self._epoch_changes = Counter(
            "channels_workers_epoch_changes",
            "How often this process learned that Redis had lost its data, and registered again.",
            registry=registry,
        )
        self._commit_seconds = Histogram(
            "channels_workers_commit_seconds",
            "How long commits took. One request may commit several messages.",
            buckets=SECONDS,
            registry=registry,
        )
        self._commit_messages = Histogram(
            "channels_workers_commit_messages",
            "How many messages one request committed.",
            buckets=MESSAGES,
            registry=registry,
        )
        self._process = Gauge(
            "channels_workers_process_info",
            "Always 1. The labels say what this process is.",
            ("role", "release", "format"),
            registry=registry,
        )

    def answered(self, scripts: Iterable[str], seconds: float, messages: int = 1) -> None:
        """Note that calls of *scripts*, written together, were answered after *seconds*.

        Those that commit have committed so many *messages*.
        """
        for script, count in Counts(scripts).items():
            child = self._requests[(script,)]
            for _ in range(count):
                child.observe(seconds)
            if script == COMMIT:
                self.committed(messages, seconds)

    def committed(self, messages: int, seconds: float) -> None:
        """Note that one request committed so many *messages*, in *seconds*."""
        self._commit_messages.observe(messages)
        self._commit_seconds.observe(seconds)

    def failed(self, kind: str) -> None:
        """Note an error of one of :data:`KINDS`."""
        self._errors.labels(kind).inc()

    def reconnected(self) -> None:
        """Note that a connection was opened again."""
        self._reconnects.inc()

    def registered(self, layer: str, epoch: str) -> None:
        """Note that this process is registered in *epoch* of *layer*."""
        with self._lock:
            known, self._epochs[layer] = self._epochs.get(layer, epoch), epoch
        if known != epoch:
            self._epoch_changes.inc()

    def is_process(self, role: str, release: str, layout: int) -> None:
        """Note what this process is; *layout* is the version of its data in the layer."""
        self._process.labels(role, release, str(layout)).set(1)

    def reads_clock(self, error: Callable[[], float | None]) -> None:
        """Show *error*, the bound on the error of the layer's clock (s), from now on."""
        self._clock_error.reads[:] = [error]
