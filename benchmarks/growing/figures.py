"""The figures of a column, out of what loads have said."""

from __future__ import annotations

from statistics import median

from benchmarks.load.report import Report
from benchmarks.measuring.results import Results, place_of
from benchmarks.measuring.subject import Measurement


def figure_of(results: Results, measurement: Measurement, key: str) -> float | None:
    """Return the median of a figure over all repeats; None if there is none."""
    reports = results.reports.get(place_of(measurement), [])
    values = [value for report in reports if (value := value_of(report, key)) is not None]
    return median(values) if values else None


def value_of(report: Report, key: str) -> float | None:
    """Return a figure of one report; its name is explained at ``axis.Column``."""
    kind, _, role = key.partition(" ")
    if not role:
        return report.figures.get(kind)
    if kind == "mib":
        return report.memory[role][1] / 1024 if role in report.memory else None
    cpu = report.cpu_us.get(role)
    if kind == "cpu_us" or cpu is None:
        return cpu
    deliveries = report.figures["deliveries_per_s"]
    return cpu * report.figures["messages_per_s"] / deliveries if deliveries else None
