"""Gauges that are computed when somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Computed(Collector):
    """The gauge *name* without labels: the sum of what :attr:`reads` return.

    It has no sample while they all return None.
    """

    def __init__(self, registry: CollectorRegistry, name: str, meaning: str) -> None:
        self._name, self._meaning = name, meaning
        self.reads: list[Callable[[], float | None]] = []
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return the gauge without samples."""
        return [GaugeMetricFamily(self._name, self._meaning)]

    def collect(self) -> Iterable[Metric]:
        """Return the gauge."""
        gauge = GaugeMetricFamily(self._name, self._meaning)
        found = [value for read in self.reads if (value := read()) is not None]
        if found:
            gauge.add_metric((), sum(found))
        return [gauge]
