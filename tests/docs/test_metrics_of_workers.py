"""The tables of what all processes tell Prometheus agree with the code."""

from itertools import chain

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from channels_workers.metrics.layer import LayerInstruments
from channels_workers.metrics.site import LABELLED, Site
from channels_workers.metrics.stored import StoredSendsCollector
from channels_workers.metrics.tasks import RelayInstruments, TaskInstruments
from channels_workers.metrics.worker import WorkerInstruments
from channels_workers.worker import runs
from tests.docs.pages import code, first_codes, page

METRICS = page("reference/metrics")
PREFIX = "channels_workers_"


def labels_of(metric: Metric, registry: CollectorRegistry) -> set[str]:
    collector: Collector = registry._names_to_collectors[metric.name]
    own = getattr(collector, "_labelnames", None)
    if own is None:
        own = LABELLED.get(metric.name.removeprefix(PREFIX), ("", ()))[1]
    return set(own)


def made() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric, by its name in Python."""
    registry = CollectorRegistry()
    for part in (WorkerInstruments, LayerInstruments, TaskInstruments, RelayInstruments):
        part(registry)
    collectors: list[Collector] = [Site(lambda: None), StoredSendsCollector()]  # type: ignore[arg-type,return-value]
    for each in collectors:
        registry.register(each)
    described = chain(*(each.describe() for each in set(registry._collector_to_names)))  # type: ignore[attr-defined]
    return {
        metric.name.removeprefix(PREFIX): (metric.type, labels_of(metric, registry))
        for metric in described
    }


def test_each_metric_is_in_a_table() -> None:
    names = ("metrics-workers", "metrics-layer", "metrics-site", "metrics-tasks")
    rows = [row for name in names for row in METRICS.table(name)]
    written = {code(row[0])[0]: (row[2], set(code(row[1]))) for row in rows}
    found = {
        f"{name}_total" if kind == "counter" else name: (kind, labels)
        for name, (kind, labels) in made().items()
    }
    assert written == found
    assert len(rows) == len(written)


def test_outcomes_of_runs() -> None:
    outcomes = (runs.DONE, runs.FAILED, runs.RETRIED, runs.TIMED_OUT, runs.DEAD_LETTERED)
    assert first_codes(METRICS.table("metrics-runs")) == list(outcomes)
