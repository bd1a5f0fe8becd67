"""The figures of tasks as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.benchmarks.measuring.conditions import as_markdown
from labs.benchmarks.tasking.results import Results
from labs.benchmarks.tasking.subjects import KILLED, LATENCY, RATE, SUBJECTS, subjects_of
from labs.harness.report import number, table

INTRODUCTION = """\
The same tasks on this package, on Celery and on dramatiq, each with one worker and its own Redis
without persistence. Nothing is pinned. Each task writes a line to a file. channels_workers stores
each task in a database, in four statements, of which three write. Celery writes once, in the rows
with results. The others store nothing. SQLite is in WAL mode with `synchronous` NORMAL, as this
package recommends, and PostgreSQL has its defaults: each commit waits for the disk."""

NOTES: Mapping[str, str] = {
    LATENCY: """\
From the beginning of the call that enqueues a task until it runs, on a worker that had nothing to
do for about a second. The task may run before the call returns. dramatiq asks Redis again after
growing pauses, up to a second.""",
    RATE: """\
Of a full queue; the first fifth does not count. Enqueued per second: by one process.""",
    KILLED: """\
`kill -9` of the worker with all of its processes, or of one process of its pool, when four in ten
tasks had ended; then a new worker starts, unless the old one lives. Waiting tasks are in Redis, and
had not run when the measurement ended. They run after `visibility_timeout`, by default an hour, for
which Celery looks every 100 s; with dramatiq after a minute, by one in a thousand requests to
Redis. Seconds: from the kill until the last task that ran had ended.""",
}


def as_text(results: Results, given: dict[str, Any]) -> str:
    """Return the whole report. *given* are the conditions."""
    parts = [
        ["# Tasks"],
        [INTRODUCTION],
        as_markdown(given),
        *section(LATENCY, "Latency", latency_table(results)),
        *section(RATE, "Rate", rate_table(results)),
        *section(KILLED, "A killed worker", killed_table(results)),
        ["## Settings"],
        settings_table(),
        *(
            [["## Not measured"], [f"* {text}" for text in results.failures]]
            * bool(results.failures)
        ),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def section(measurement: str, title: str, lines: list[str]) -> list[list[str]]:
    """Return a part of the report; none if nothing was measured."""
    return [[f"## {title}"], [NOTES[measurement]], lines] if len(lines) > 2 else []


def latency_table(results: Results) -> list[str]:
    """Return the times of an idle worker."""
    keys = ("p50_ms", "p99_ms", "max_ms", "call_ms")
    heading = ["runner", "p50 ms", "p99 ms", "slowest ms", "the call, p50 ms"]
    return table(heading, _rows(results, LATENCY, keys), numbers=True)


def rate_table(results: Results) -> list[str]:
    """Return the rates of a full queue."""
    rows = [
        [*row, f"{results.spread(RATE, row[0], 'tasks_per_s'):.0%}"]
        for row in _rows(results, RATE, ("tasks_per_s", "sent_per_s"))
    ]
    return table(["runner", "tasks/s", "enqueued/s", "spread of tasks/s"], rows, numbers=True)


def killed_table(results: Results) -> list[str]:
    """Return what a kill did."""
    keys = ("enqueued", "ended", "lost", "waiting", "begun_again", "ended_twice", "seconds")
    heading = ["runner", *(key.replace("_", " ") for key in keys)]
    return table(heading, _rows(results, KILLED, keys), numbers=True)


def _rows(results: Results, measurement: str, keys: tuple[str, ...]) -> list[list[str]]:
    return [
        [name, *(_cell(results.median(measurement, name, key)) for key in keys)]
        for name in (subject.name for subject in subjects_of(measurement))
        if (measurement, name) in results.figures
    ]


def _cell(value: float | None) -> str:
    return f"{value:,.0f}" if value is not None and value == round(value) else number(value)


def settings_table() -> list[str]:
    """Return the settings of each subject."""
    return table(["runner", "settings"], [[one.name, one.about] for one in SUBJECTS])
