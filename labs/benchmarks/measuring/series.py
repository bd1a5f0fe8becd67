"""Runs many measurements, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labs.benchmarks.measuring.measure import Failed, measure
from labs.benchmarks.measuring.progress import Progress
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.measuring.subject import Measurement


def measure_all(measurements: Sequence[Measurement], repeats: int, folder: Path) -> Results:
    """Measure everything in rounds, so that a noisy minute affects all alike, and print progress.

    Logs of failures stay in *folder*. After an interrupt, finished measurements are kept.
    KeyboardInterrupt if there are none.
    """
    results = Results()
    progress = Progress(len(measurements) * repeats)
    try:
        for _ in range(repeats):
            for measurement in measurements:
                _measure(measurement, folder, results, progress)
    except KeyboardInterrupt:
        if not results.reports:
            raise
        results.is_interrupted = True
        progress.say("Interrupted. Finished measurements are written")
    return results


def _measure(measurement: Measurement, folder: Path, results: Results, progress: Progress) -> None:
    try:
        report = measure(measurement, folder)
    except Failed as failure:
        results.fail(measurement, str(failure))
        progress.say(f"FAILED: {failure}")
    else:
        results.add(measurement, report)
        progress.report(f"{measurement.subject.name}: {measurement.name}", report)
