"""Recordings that tests make up."""

from collections.abc import Mapping, Sequence

from labs.harness.prometheus_server import Series
from labs.monitoring.recording import ALERTS, Recording


def line(labels: Mapping[str, str], *values: float, start: float = 0.0) -> Series:
    """A series with a sample each second."""
    return Series(labels, tuple((start + second, value) for second, value in enumerate(values)))


def alert(name: str, state: str, at: float) -> Series:
    return line({"alertname": name, "alertstate": state}, 1, 1, start=at)


def recorded(
    series: Mapping[str, Sequence[Series]] | None = None,
    alerts: Sequence[Series] = (),
    acts: Sequence[tuple[float, str]] = ((0.0, "calm"), (10.0, "trouble")),
) -> Recording:
    return Recording(acts[0][0], acts[-1][0] + 10, acts, {ALERTS: alerts, **(series or {})})
