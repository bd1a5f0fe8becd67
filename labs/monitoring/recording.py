"""What Prometheus recorded of a run, for the checks and the picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labs.harness.prometheus_server import PrometheusServer, Series

#: The time between two samples of a graph (s).
STEP = 1.0

#: An alert that fires again so soon has not ended (s).
BREAK = 5.0

#: What Grafana would choose for this step and interval of scraping.
RATE_INTERVAL = "10s"

#: The state of each rule over time.
ALERTS = 'ALERTS{job="$job"}'


@dataclass(frozen=True)
class Recording:
    """The answer to each query between *start* and *end* (Unix times), and when each act began."""

    start: float
    end: float
    acts: Sequence[tuple[float, str]]
    series: Mapping[str, Sequence[Series]]

    def firing(self) -> dict[str, set[float]]:
        """Return at which times each alert fired."""
        found: dict[str, set[float]] = {}
        for one in self.series[ALERTS]:
            if one.labels["alertstate"] == "firing":
                found.setdefault(one.labels["alertname"], set()).update(at for at, _ in one.samples)
        return found

    def beginnings(self) -> list[tuple[float, str]]:
        """Return when alerts began to fire, and their names, by time."""
        return sorted(
            (at, name)
            for name, times in self.firing().items()
            for at in times
            if not any(at - BREAK <= other < at for other in times)
        )

    def write(self, file: Path) -> None:
        """Write it as JSON."""
        content = asdict(self)
        file.write_text(json.dumps(content))

    @classmethod
    def read(cls, file: Path) -> Recording:
        """Read what :meth:`write` wrote."""
        content = json.loads(file.read_text())
        series = {
            query: [
                Series(one["labels"], tuple((at, value) for at, value in one["samples"]))
                for one in answer
            ]
            for query, answer in content["series"].items()
        }
        acts = tuple((at, title) for at, title in content["acts"])
        return cls(content["start"], content["end"], acts, series)


def queries(dashboard: Mapping[str, Any]) -> list[str]:
    """Return the queries of all panels, as the dashboard has them."""
    panels = (panel for panel in dashboard["panels"] if panel["type"] != "row")
    return [target["expr"] for panel in panels for target in panel["targets"]]


def record(
    prometheus: PrometheusServer,
    dashboard: Mapping[str, Any],
    acts: Sequence[tuple[float, str]],
    end: float,
    job: str,
) -> Recording:
    """Ask Prometheus each query of the *dashboard* for the time from the first of the *acts*."""
    start = acts[0][0]
    series = {}
    for query in (*queries(dashboard), ALERTS):
        filled = query.replace("$job", job).replace("$__rate_interval", RATE_INTERVAL)
        series[query] = prometheus.query_range(filled, start, end, STEP)
    return Recording(start, end, acts, series)
