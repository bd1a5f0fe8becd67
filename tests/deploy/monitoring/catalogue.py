"""The metrics that the engine has, by the names that Prometheus stores."""

from collections.abc import Iterable, Iterator

from channels.layers import get_channel_layer
from prometheus_client.core import Metric

from channels_workers.metrics.instruments import Instruments
from channels_workers.metrics.site import Site
from channels_workers.metrics.stored import StoredSendsCollector

#: The parts of the instruments. Each exists from its first use on.
PARTS = ("worker", "layer", "interface", "tasks", "relay")


def stored_names(families: Iterable[Metric]) -> Iterator[str]:
    """The names of the series, without those that `prometheus_client` adds itself."""
    for family in families:
        if family.name.startswith("channels_workers_"):
            yield f"{family.name}_total" if family.type == "counter" else family.name


def catalogue() -> set[str]:
    instruments = Instruments()
    for part in PARTS:
        getattr(instruments, part)
    families = [
        *instruments.registry.collect(),
        *Site(get_channel_layer).describe(),
        *StoredSendsCollector().describe(),
    ]
    return set(stored_names(families))
