"""What worker processes record."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from channels_workers.metrics.computed import Computed
from channels_workers.metrics.labels import SECONDS, Children, Values

#: The role of a dead process that has left no word about itself.
UNKNOWN = "unknown"


class WorkerInstruments:
    """The instruments of a worker process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._consumers, self._channels = Values("consumer"), Values("channel")
        self._make_runs(registry)
        self._make_deliveries(registry)
        self._make_threads(registry)

    def _make_runs(self, registry: CollectorRegistry) -> None:
        runs = Counter(
            "channels_workers_runs",
            "Messages that ran, by consumer, channel and outcome.",
            ("consumer", "channel", "outcome"),
            registry=registry,
        )
        seconds = Histogram(
            "channels_workers_run_seconds",
            "How long consumers ran.",
            ("consumer",),
            buckets=SECONDS,
            registry=registry,
        )
        waits = Histogram(
            "channels_workers_queue_wait_seconds",
            "How long messages were in their channel until their run began.",
            ("channel",),
            buckets=SECONDS,
            registry=registry,
        )
        retries = Counter(
            "channels_workers_retries",
            "Runs that raised an exception of RETRY_ON, and are repeated.",
            ("consumer",),
            registry=registry,
        )
        self._runs, self._retries = Children(runs), Children(retries)
        self._run_seconds, self._queue_wait_seconds = Children(seconds), Children(waits)

    def _make_deliveries(self, registry: CollectorRegistry) -> None:
        handed_over = Counter(
            "channels_workers_deliveries_handed_over",
            "Runs of messages whose worker had died before.",
            ("channel",),
            registry=registry,
        )
        dead_letters = Counter(
            "channels_workers_dead_letters",
            "Messages that this process made dead letters.",
            ("channel",),
            registry=registry,
        )
        dead = Counter(
            "channels_workers_processes_declared_dead",
            "Processes that this one declared dead.",
            ("role",),
            registry=registry,
        )
        for role in ("worker", "server"):
            dead.labels(role)
        self._handed_over, self._dead_letters = Children(handed_over), Children(dead_letters)
        self._declared_dead = Children(dead)
        self._prefetched_returned = Counter(
            "channels_workers_prefetched_returned",
            "Messages that were pulled, not begun, and handed back.",
            registry=registry,
        )

    def _make_threads(self, registry: CollectorRegistry) -> None:
        self._threads = Computed(
            registry, "channels_workers_worker_threads", "Threads that run consumers."
        )
        self._busy = Computed(
            registry, "channels_workers_worker_threads_busy", "Those that run one now."
        )
        self._slow = Computed(
            registry,
            "channels_workers_slow_consumers",
            "Consumers that have run for longer than SLOW_CONSUMER.",
        )

    def watch(
        self,
        channels: Iterable[str],
        threads: Callable[[], int],
        busy: Callable[[], int],
        slow: Callable[[], int],
    ) -> None:
        """Show these counts of a group of threads from now on, and count its *channels* from 0."""
        for channel in map(self._channels.bounded, channels):
            for counter in (self._handed_over, self._dead_letters):
                counter[(channel,)].inc(0)
        self._threads.reads.append(threads)
        self._busy.reads.append(busy)
        self._slow.reads.append(slow)

    def waited(self, channel: str, seconds: float) -> None:
        """Note that a message of *channel* waited for *seconds*."""
        self._queue_wait_seconds[(self._channels.bounded(channel),)].observe(seconds)

    def handed_over(self, channel: str) -> None:
        """Note that a message whose worker had died runs now."""
        self._handed_over[(self._channels.bounded(channel),)].inc()

    def ran(self, consumer: str, channel: str, outcome: str, seconds: float) -> None:
        """Note that *consumer* ran a message of *channel* with this *outcome*, for *seconds*."""
        consumer = self._consumers.bounded(consumer)
        self._runs[consumer, self._channels.bounded(channel), outcome].inc()
        self._run_seconds[(consumer,)].observe(seconds)

    def repeats(self, consumer: str) -> None:
        """Note that a run of *consumer* is repeated after an exception of ``RETRY_ON``."""
        self._retries[(self._consumers.bounded(consumer),)].inc()

    def dead_lettered(self, channel: str) -> None:
        """Note that a message of *channel* became a dead letter."""
        self._dead_letters[(self._channels.bounded(channel),)].inc()

    def declared_dead(self, role: str) -> None:
        """Note that this process declared one with this *role* dead, "" if it is not known."""
        self._declared_dead[(role if role in ("worker", "server") else UNKNOWN,)].inc()

    def returned(self) -> None:
        """Note that a message was handed back before its run."""
        self._prefetched_returned.inc()
