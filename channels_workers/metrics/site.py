"""Values of the whole site, read from the layer when somebody scrapes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from django.apps import apps
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.shards.report import ShardReport, reports
from channels_workers.layers.shards.types import ShardState
from channels_workers.layers.status import ChannelStatus, Status, load_of
from channels_workers.layers.types import TASKS
from channels_workers.metrics.labels import Values
from channels_workers.metrics.reading import Reading

#: How long a scrape waits for the layer (s).
PATIENCE = 1.5

#: The app with the queues of tasks.
TASKS_APP = "channels_workers.tasks"

#: Gauges without labels: what they mean.
SINGLE = {
    "layer_available": "Whether the layer answers, 1 or 0.",
    "oldest_message_seconds": "The age of the oldest message in a channel with waiting messages.",
    "threads": "Threads of all workers.",
    "busy_share": "The share of these threads that hold messages, from 0 to 1.",
    "delayed_messages": "Delayed messages.",
    "parked_connections": "Connections that wait for their clients to come back.",
    "dead_letters_kept": "Dead letters that are kept.",
    "layer_recovering": "Whether processes register again after a loss of data, 1 or 0.",
}

#: Gauges with labels: what they mean, and the labels.
LABELLED = {
    "channel_messages": ("Messages of a channel.", ("channel", "state")),
    "channel_oldest_seconds": ("The age of its oldest message.", ("channel",)),
    "channel_workers": ("Workers that listen to it.", ("channel",)),
    "tasks_waiting": ("Tasks that wait for a worker.", ("queue",)),
    "shard_available": ("Whether the shard answers, 1 or 0.", ("shard",)),
    "shard_connections": ("Its connections.", ("shard",)),
    "shard_log_entries": ("Entries of its log.", ("shard",)),
    "shard_behind": ("Entries that another shard has not applied yet.", ("shard", "other")),
}


class Site(Collector):
    """The metrics of the layer that *layer* returns."""

    def __init__(self, layer: Callable[[], WorkerLayer]) -> None:
        self._layer = layer
        self._reading = Reading("the state of the layer", self._status)
        self._shards = Reading("the state of the shards", self._reports)
        self._channels, self._queues = Values("channel"), Values("queue")

    def _status(self) -> Status:
        return self._layer().admin.status()

    def _reports(self) -> list[ShardReport]:
        return reports(self._layer())

    def describe(self) -> Iterable[Metric]:
        """Return all gauges without samples."""
        yield from (_gauge(name) for name in (*SINGLE, *LABELLED))

    def collect(self) -> Iterator[Metric]:
        """Yield what the layer tells within :data:`PATIENCE`; without it ``layer_available`` 0."""
        deadline = time.monotonic() + PATIENCE
        self._shards.begin()
        status = self._reading.result(deadline)
        for name, value in _single(status).items():
            gauge = _gauge(name)
            gauge.add_metric((), value)
            yield gauge
        if status is not None:
            yield from self._of_channels(status.channels)
            if apps.is_installed(TASKS_APP):
                yield self._of_queues(status.channels)
        yield from _of_shards(self._shards.result(deadline) or [])

    def _of_channels(self, channels: Sequence[ChannelStatus]) -> Iterator[Metric]:
        messages, oldest, workers = map(_gauge, tuple(LABELLED)[:3])
        for name, parts in self._by_label(channels).items():
            messages.add_metric((name, "waiting"), sum(each.waiting for each in parts))
            messages.add_metric((name, "in_flight"), sum(each.in_flight for each in parts))
            oldest.add_metric((name,), max(each.oldest or 0.0 for each in parts))
            workers.add_metric((name,), max(each.workers for each in parts))
        yield from (messages, oldest, workers)

    def _by_label(self, channels: Sequence[ChannelStatus]) -> dict[str, list[ChannelStatus]]:
        """Return *channels* by the value of their label; those with workers have their own."""
        found: dict[str, list[ChannelStatus]] = {}
        for each in channels:
            label = each.name if each.workers else self._channels.bounded(each.name)
            found.setdefault(label, []).append(each)
        return found

    def _of_queues(self, channels: Sequence[ChannelStatus]) -> Metric:
        counts: dict[str, int] = {}
        for each in channels:
            if each.name.startswith(TASKS):  # and then the queue, and perhaps its priority
                queue = self._queues.bounded(each.name.removeprefix(TASKS).partition(".")[0])
                counts[queue] = counts.get(queue, 0) + each.waiting
        waiting = _gauge("tasks_waiting")
        for queue, count in counts.items():
            waiting.add_metric((queue,), count)
        return waiting


def _of_shards(found: Sequence[ShardReport]) -> Iterator[Metric]:
    """Yield the metrics of shards, if there are several."""
    if not found:
        return
    available, connections, entries, behind = map(_gauge, tuple(LABELLED)[4:])
    for each in found:
        available.add_metric((each.name,), each.state is not ShardState.AWAY)
        if each.state is not ShardState.AWAY:
            connections.add_metric((each.name,), each.connections)
            entries.add_metric((each.name,), each.log_entries)
            for other, count in each.behind.items():
                behind.add_metric((each.name, other), count)
    yield from (available, connections, entries, behind)


def _single(status: Status | None) -> dict[str, float]:
    if status is None:
        return {"layer_available": 0}
    load = load_of(status)
    return {
        "layer_available": 1,
        "oldest_message_seconds": load["oldest"],
        "threads": load["threads"],
        "busy_share": load["busy"],
        "delayed_messages": status.delayed,
        "parked_connections": status.parked,
        "dead_letters_kept": status.dead_letters,
        "layer_recovering": status.recovering,
    }


def _gauge(name: str) -> GaugeMetricFamily:
    full = f"channels_workers_{name}"
    if name in SINGLE:
        return GaugeMetricFamily(full, SINGLE[name])
    meaning, labels = LABELLED[name]
    return GaugeMetricFamily(full, meaning, labels=labels)
