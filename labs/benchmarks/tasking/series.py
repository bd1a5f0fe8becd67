"""Runs the measurements, one after the other."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labs.benchmarks.tasking.killing import Extent, measure_killed
from labs.benchmarks.tasking.latency import Figures, measure_latency
from labs.benchmarks.tasking.rate import measure_rate
from labs.benchmarks.tasking.results import Results
from labs.benchmarks.tasking.subjects import (
    KILLED,
    LATENCY,
    MEASUREMENTS,
    RATE,
    Subject,
    subjects_of,
)
from labs.harness.report import number, say


@dataclass(frozen=True)
class Size:
    """How many *rounds* of latency, *repeats* of a rate with so many *tasks*, and the kill."""

    rounds: int
    repeats: int
    tasks: int
    killed: Extent


FULL = Size(100, 3, 1_500, Extent(tasks=60, seconds=0.5, longest=120, after=12))
QUICK = Size(10, 1, 400, Extent(tasks=32, seconds=0.25, longest=40, after=3))

#: Measures subjects in a folder.
Measure = Callable[[Sequence[Subject], Path], list[Figures]]


def measures(size: Size) -> dict[str, Measure]:
    """Return how each measurement is done."""
    return {
        LATENCY: lambda subjects, folder: measure_latency(subjects, size.rounds, folder),
        RATE: lambda subjects, folder: [measure_rate(one, size.tasks, folder) for one in subjects],
        KILLED: lambda subjects, folder: measure_killed(subjects, size.killed, folder),
    }


def steps(size: Size, only: Sequence[str]) -> list[tuple[str, list[Subject]]]:
    """Return what is measured together: all subjects of latency and of kills, one of a rate."""
    wanted = {
        name: [one for one in subjects_of(name) if not only or {name, one.name} & {*only}]
        for name in MEASUREMENTS
    }
    alone = [(RATE, [one]) for one in wanted[RATE]] * size.repeats
    found = [(LATENCY, wanted[LATENCY]), *alone, (KILLED, wanted[KILLED])]
    return [(name, subjects) for name, subjects in found if subjects]


def measure_all(size: Size, only: Sequence[str], logs: Path) -> Results:
    """Measure, and print progress. The logs of failures stay."""
    results, how, since = Results(), measures(size), time.monotonic()
    for name, subjects in steps(size, only):
        own = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=logs))
        own.chmod(0o711)
        try:
            found = how[name](subjects, own)
        except KeyboardInterrupt:
            if not results.figures:
                raise
            results.failures.append("the rest: the run was interrupted")
            break
        except (AssertionError, RuntimeError, OSError) as error:
            text = f"{name}, {subjects[0].name}{' and others' * (len(subjects) > 1)}: {error}"
            results.failures.append(text.splitlines()[0])
            say(f"FAILED: {text}")
            continue
        for subject, figures in zip(subjects, found, strict=True):
            results.add(name, subject.name, figures)
            said = ", ".join(f"{key} {number(value)}" for key, value in figures.items())
            say(f"{time.monotonic() - since:5.0f} s  {name}: {subject.name}: {said}")
    return results
