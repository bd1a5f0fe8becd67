"""Rows, panels and queries, as far as the dashboard needs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: Units, by their ids in Grafana.
SECONDS, SHARE, BYTES, COUNT = "s", "percentunit", "bytes", "short"
PER_SECOND, BYTES_PER_SECOND = "suffix:/s", "Bps"

#: Selects the processes of the site, with the variable of the dashboard.
JOB = 'job="$job"'

#: How many series a panel shows, if their number grows with the code of the site.
MOST = 10


class Kind(Enum):
    """How a panel shows its queries."""

    #: One number, with its course behind it.
    NUMBER = "stat"
    #: Lines over time.
    LINES = "timeseries"
    #: Areas over time, on top of each other.
    AREAS = "stacked"


@dataclass(frozen=True)
class Query:
    """A query of PromQL. Grafana fills in the *legend*: ``{{label}}``."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """A panel of *width* 24ths. Its number is yellow and red from *limits* on."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    width: int = 6
    limits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of panels below a title."""

    title: str
    panels: tuple[Panel, ...]


def name(metric: str) -> str:
    """Return the name of a *metric* of the engine."""
    return f"channels_workers_{metric}"


def selected(metric: str, labels: str = "") -> str:
    """Return the series of *metric* that have these *labels*."""
    return f"{name(metric)}{{{JOB}{', ' if labels else ''}{labels}}}"


def total(metric: str, by: str = "", labels: str = "") -> str:
    """Return the sum of a gauge over all processes."""
    return f"sum{grouped(by)} ({selected(metric, labels)})"


def largest(metric: str, by: str = "", labels: str = "") -> str:
    """Return the largest value of a gauge: that of the site, if each process shows the same."""
    return f"max{grouped(by)} ({selected(metric, labels)})"


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """Return by how much a counter grows in a second, over all processes."""
    return f"sum{grouped(by)} (rate({selected(metric, labels)}[$__rate_interval]))"


def mean(metric: str, by: str = "", labels: str = "") -> str:
    """Return the mean of a histogram."""
    return f"{rate(f'{metric}_sum', by, labels)} / {rate(f'{metric}_count', by, labels)}"


def quantile(share: float, metric: str, by: str = "", labels: str = "") -> str:
    """Return the value that this *share* of a histogram does not exceed."""
    buckets = rate(f"{metric}_bucket", f"{by}, le" if by else "le", labels)
    return f"histogram_quantile({share:g}, {buckets})"


def of_role(metric: str, role: str) -> str:
    """Return a metric of each process with this *role*; that of a counter is its rate."""
    series = f"{metric}{{{JOB}}}"
    if metric.endswith("_total"):
        series = f"rate({series}[$__rate_interval])"
    info = selected("process_info", f'role="{role}"')
    return f"{series} * on (job, instance) group_left () {info}"


def top(expression: str) -> str:
    """Return the largest :data:`MOST` series."""
    return f"topk({MOST}, {expression})"


def grouped(by: str) -> str:
    """Return the clause of an aggregation."""
    return f" by ({by})" if by else ""
