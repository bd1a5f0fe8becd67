"""Measuring many things, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.measure import Failed, measure
from benchmarks.measuring.progress import Progress
from benchmarks.measuring.results import Results
from benchmarks.measuring.subject import Measurement


def measure_all(measurements: Sequence[Measurement], repeats: int, folder: Path) -> Results:
    """Measure all, again and again, so that a noisy minute hits all alike; say what comes.

    Logs of what fails stay in *folder*.
    """
    results = Results()
    progress = Progress(len(measurements) * repeats)
    for _ in range(repeats):
        for measurement in measurements:
            try:
                report = measure(measurement, folder)
            except Failed as failure:
                results.fail(measurement, str(failure))
                progress.say(f"FAILED: {failure}")
            else:
                results.add(measurement, report)
                progress.report(f"{measurement.subject.name}: {measurement.name}", report)
    return results
