"""What worker processes record."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from channels_workers.metrics.labels import SECONDS, Values


class WorkerInstruments:
    """The instruments of a worker process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._consumers, self._channels = Values("consumer"), Values("channel")
        self._runs = Counter(
            "channels_workers_runs",
            "Runs of consumers, by their outcome.",
            ("consumer", "channel", "outcome"),
            registry=registry,
        )
        self._run_seconds = Histogram(
            "channels_workers_run_seconds",
            "How long consumers run.",
            ("consumer",),
            buckets=SECONDS,
            registry=registry,
        )

    def ran(self, consumer: str, channel: str, outcome: str, seconds: float) -> None:
        """Note that *consumer* ran a message of *channel* with this *outcome*, for *seconds*."""
        consumer = self._consumers.bounded(consumer)
        self._runs.labels(consumer, self._channels.bounded(channel), outcome).inc()
        self._run_seconds.labels(consumer).observe(seconds)
