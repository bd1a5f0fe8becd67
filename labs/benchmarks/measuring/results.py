"""The figures of a run: all repeats of each measurement, and their median."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from labs.benchmarks.load.moment import CLIENT
from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.subject import Measurement

#: Identifies a figure: the names of a subject and of a measurement.
Place = tuple[str, str]

#: Counts that are 0 if every message arrived once and in order.
ERRORS = ("lost", "duplicated", "out_of_order", "foreign", "failed", "dropped", "given_up")


@dataclass
class Results:
    """The measurements of a run."""

    reports: dict[Place, list[Report]] = field(default_factory=dict)
    failures: dict[Place, list[str]] = field(default_factory=dict)
    #: Whether the run was interrupted.
    is_interrupted: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all was measured."""
        return not self.failures and not self.is_interrupted

    def add(self, measurement: Measurement, report: Report) -> None:
        """Add the report of a repeat."""
        self.reports.setdefault(place_of(measurement), []).append(report)

    def fail(self, measurement: Measurement, reason: str) -> None:
        """Add the reason why a repeat failed."""
        self.failures.setdefault(place_of(measurement), []).append(reason)

    def values(self, subject: str, name: str, figure: str) -> list[float]:
        """Return a figure of all repeats."""
        reports = self.reports.get((subject, name), [])
        return [value for report in reports if (value := value_of(report, figure)) is not None]

    def median(self, subject: str, name: str, figure: str) -> float | None:
        """Return the median of a figure. None if it was not measured."""
        values = self.values(subject, name, figure)
        return median(values) if values else None

    def client(self, subject: str, name: str) -> float | None:
        """Return the median share of its core that the load took."""
        shares = [report.cpu["client"] for report in self.reports.get((subject, name), [])]
        return median(shares) if shares else None

    def errors(self, subject: str, name: str) -> dict[str, int]:
        """Return the errors of all repeats. Empty if there are none."""
        reports = self.reports.get((subject, name), [])
        sums = {kind: sum(report.counts.get(kind, 0) for report in reports) for kind in ERRORS}
        return {kind: count for kind, count in sums.items() if count}

    def as_dict(self) -> list[dict[str, Any]]:
        """Return all results as JSON values."""
        return [
            {
                "subject": subject,
                "measurement": name,
                "medians": self.medians(subject, name),
                "errors": self.errors(subject, name),
                "repeats": [report.as_dict() for report in self.reports.get((subject, name), [])],
                "failures": self.failures.get((subject, name), []),
            }
            for subject, name in dict.fromkeys([*self.reports, *self.failures])
        ]

    def medians(self, subject: str, name: str) -> dict[str, float]:
        """Return the medians of all figures of a measurement, and of the CPU time of each role."""
        reports = self.reports.get((subject, name), [])
        figures = dict.fromkeys(figure for report in reports for figure in report.figures)
        figures |= dict.fromkeys(figure for report in reports for figure in _cpu_figures(report))
        return {figure: median(self.values(subject, name, figure)) for figure in figures}


def place_of(measurement: Measurement) -> Place:
    """Return the key of the figures of *measurement*."""
    return measurement.subject.name, measurement.name


def value_of(report: Report, key: str) -> float | None:
    """Return a figure of one report, or None.

    Beside the named figures there are, each followed by a role, ``cpu_us`` and
    ``cpu_us_per_delivery`` (CPU time per message and per delivery, us) and ``mib`` (memory).
    The role ``all`` is all but the load.
    """
    kind, _, role = key.partition(" ")
    if not role:
        return report.figures.get(kind)
    if kind == "mib":
        return report.memory[role][1] / 1024 if role in report.memory else None
    cpu = _cpu_us(report, role)
    if kind == "cpu_us" or cpu is None:
        return cpu
    deliveries = report.figures.get("deliveries_per_s")
    return cpu * report.figures["messages_per_s"] / deliveries if deliveries else None


def _cpu_figures(report: Report) -> list[str]:
    kinds = ["cpu_us"] + ["cpu_us_per_delivery"] * bool(report.figures.get("deliveries_per_s"))
    return [f"{kind} {role}" for kind in kinds for role in report.cpu_us]


def _cpu_us(report: Report, role: str) -> float | None:
    if role != "all" or not report.cpu_us:
        return report.cpu_us.get(role)
    return sum(cpu for other, cpu in report.cpu_us.items() if other != CLIENT)
