"""Sends that are stored in databases, and wait for a worker to relay them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from channels_workers.conf import configuration
from channels_workers.metrics.reading import Reading
from channels_workers.relay.status import StoredSends, stored_in

#: How long a scrape waits for the databases (s).
PATIENCE = 1.5


class StoredSendsCollector(Collector):
    """The stored sends of all databases of ``RELAY``."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading[StoredSends]] = {}

    def describe(self) -> Iterator[Metric]:
        """Yield both gauges without samples."""
        yield GaugeMetricFamily(
            "channels_workers_stored_sends",
            "Sends that are stored in databases; up to 10,000 of each are counted.",
        )
        yield GaugeMetricFamily(
            "channels_workers_stored_sends_oldest_seconds", "The age of the oldest of them."
        )

    def collect(self) -> Iterator[Metric]:
        """Yield what the databases tell within :data:`PATIENCE`; nothing without ``RELAY``."""
        for using in configuration().RELAY:
            if using not in self._readings:
                name = f"stored sends of {using!r}"
                self._readings[using] = Reading(name, partial(stored_in, using))
        readings = [self._readings[using] for using in configuration().RELAY]
        for reading in readings:
            reading.begin()
        deadline = time.monotonic() + PATIENCE
        found = [each for reading in readings if (each := reading.result(deadline)) is not None]
        if found:
            count, oldest = self.describe()
            count.add_metric((), sum(each.waiting or 0 for each in found))  # type: ignore[attr-defined]
            oldest.add_metric((), max(each.oldest or 0.0 for each in found))  # type: ignore[attr-defined]
            yield from (count, oldest)
