"""The tables of what interface servers tell Prometheus agree with the code."""

from prometheus_client import CollectorRegistry

from channels_workers.interface.http.exchanges import REASONS
from channels_workers.interface.traffic import OUTCOMES
from channels_workers.layers.types import InboxKind
from channels_workers.metrics.instruments import Instruments
from channels_workers.metrics.interface import FAMILIES, PREFIX, InterfaceInstruments
from tests.docs.pages import code, first_codes, page

METRICS = page("reference/metrics")


def test_each_metric_is_in_a_table() -> None:
    registry = CollectorRegistry()
    made = InterfaceInstruments(registry)
    made.handshake_ended("accepted", 1.0)
    made.request_answered("workers", 1.0)
    types, labels = {}, {name: set(family.labels) for name, family in FAMILIES.items()}
    for metric in registry.collect():
        name = metric.name.removeprefix(PREFIX)
        types[name] = metric.type
        for sample in metric.samples:
            labels.setdefault(name, set()).update(sample.labels.keys() - {"le"})
    rows = METRICS.table("metrics-sockets") + METRICS.table("metrics-http")
    written = {code(row[0])[0].removesuffix("_total"): row for row in rows}
    assert {name: row[2] for name, row in written.items()} == types
    assert {name: set(code(row[1])) for name, row in written.items()} == labels
    totals = {row[0] for row in rows if row[2] == "counter"}
    assert all(name.endswith("_total`") for name in totals)


def test_outcomes_and_reasons() -> None:
    assert first_codes(METRICS.table("metrics-outcomes")) == list(OUTCOMES)
    assert first_codes(METRICS.table("metrics-reasons")) == list(REASONS)


def test_kinds_of_operations() -> None:
    [row] = [row for row in METRICS.table("metrics-sockets") if "inbox_operations" in row[0]]
    assert set(code(row[3])) == {kind.name.lower() for kind in InboxKind}


def test_the_parts_of_the_way_exist() -> None:
    instruments = Instruments()
    parts = instruments.worker, instruments.layer, instruments.interface
    assert all(parts)
    names = {metric.name for metric in instruments.registry.collect()}
    rows = page("how-to/metrics").table("parts")
    written = [code(row[1])[0].partition("{")[0] for row in rows]
    assert len(written) == 6
    assert {f"{PREFIX}{name}" for name in written} <= names
