"""Lets this process record, and shows its metrics in registries."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from channels_workers import recorder
from channels_workers.metrics.instruments import Instruments
from channels_workers.metrics.site import Site
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer

#: The beginning of all names of ours.
PREFIX = "channels_workers_"


class Own(Collector):
    """Our metrics in another registry, without those of Python and of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def describe(self) -> list[Metric]:
        """Return nothing: which metrics there are shows later, and nobody else has their names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield our metrics."""
        return (each for each in self._registry.collect() if each.name.startswith(PREFIX))


def begin(alias: str = DEFAULT_CHANNEL_LAYER) -> Instruments:
    """Let the engine record in this process, whose layer has this *alias*; return with what."""
    found = recorder.current()
    if found is None:
        found = Instruments()
        found.add(Site(partial(get_channel_layer, alias)))
        recorder.use(found)
    return found


def register(registry: CollectorRegistry, alias: str = DEFAULT_CHANNEL_LAYER) -> None:
    """Show the metrics of the engine in *registry*, one of prometheus_client; once is enough.

    Call it in ``ready()`` of an app. It begins to record if ``METRICS_PORT`` is not set. *alias*
    names the layer in ``CHANNEL_LAYERS``.
    """
    found = begin(alias)
    if not any(known is registry for known in found.shown_in):
        found.shown_in.append(registry)
        registry.register(Own(found.registry))
