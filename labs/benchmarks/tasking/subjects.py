"""The runners of tasks, with their settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labs.harness.project import ROOT

#: The Python with Celery and dramatiq.
OTHER_PYTHON = ROOT / "labs" / "benchmarks" / "runners" / ".venv" / "bin" / "python"

#: The measurements.
LATENCY, RATE, KILLED = "latency", "rate", "killed"
MEASUREMENTS = (LATENCY, RATE, KILLED)

#: How many tasks of Celery use a connection to the database. By default each opens its own.
REUSED = 100_000

#: What is killed: the worker with all of its processes, or a process of its pool.
WORKER, CHILD = "worker", "child"


@dataclass(frozen=True)
class Subject:
    """A runner with its settings.

    *runner* is a module of ``runners/``, *worker* the command of a worker after its Python.
    *settings* are those of Celery, or the arguments of the broker of dramatiq. *database* is what
    stores results, if anything does. *about* says the settings in words.
    """

    name: str
    runner: str
    worker: tuple[str, ...]
    about: str
    measured: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    database: str = ""
    kills: str = WORKER

    @property
    def python(self) -> Path:
        """The Python of its processes."""
        return Path(sys.executable) if self.runner == "with_workers" else OTHER_PYTHON


def ours(database: str, label: str) -> Subject:
    """Return this package with its defaults, on a *database*."""
    command = ("-m", "django", "runworker", "--only-channels", "tasks.*", "--threads", "4")
    about = f"`runworker --only-channels 'tasks.*' --threads 4`, {label}"
    name = f"channels_workers, {label}"
    return Subject(name, "with_workers", command, about, MEASUREMENTS, database=database)


def celery(
    name: str, pool: str, about: str, *measured: str, kills: str = WORKER, **settings: Any
) -> Subject:
    """Return Celery with 4 threads or processes."""
    app = "labs.benchmarks.runners.with_celery"
    command = ("-m", "celery", "-A", app, "worker", "--pool", pool, "--concurrency", "4")
    database = settings.pop("database", "")
    if database:
        settings |= {"result_backend": "django-db", "CELERY_DB_REUSE_MAX": REUSED}
    about = f"`worker --pool {pool} --concurrency 4`, {about}"
    name = f"celery, {name}"
    return Subject(name, "with_celery", command, about, measured, settings, database, kills)


def dramatiq(name: str, processes: int, about: str, *measured: str, **settings: Any) -> Subject:
    """Return dramatiq with 4 threads in each process."""
    app = "labs.benchmarks.runners.with_dramatiq"
    command = ("-m", "dramatiq", app, "--threads", "4", "--processes", str(processes))
    about = f"`dramatiq --processes {processes} --threads 4`, {about}"
    return Subject(f"dramatiq, {name}", "with_dramatiq", command, about, measured, settings)


#: What Celery's documentation recommends if a task must not be lost with its worker.
LATE: Mapping[str, Any] = {"task_acks_late": True, "task_reject_on_worker_lost": True}
LATE_IN_WORDS = "`acks_late`, `reject_on_worker_lost`"

#: And if workers should not hold tasks that they do not run.
SAFE: Mapping[str, Any] = {**LATE, "worker_prefetch_multiplier": 1}
SAFE_IN_WORDS = f"{LATE_IN_WORDS}, `worker_prefetch_multiplier` 1"

#: When Celery gives tasks of a lost worker again (s). No task of the run takes as long. Real ones
#: may, and would run twice.
VISIBLE_AFTER = 10

STORED = "django-celery-results, `CELERY_DB_REUSE_MAX`, so that threads keep their connection"

SUBJECTS = (
    ours("sqlite", "SQLite"),
    ours("postgres", "PostgreSQL"),
    celery("threads", "threads", "no results", LATENCY, RATE),
    celery("threads, acks_late", "threads", LATE_IN_WORDS, RATE, **LATE),
    celery("processes", "prefork", "the defaults, which store no results", LATENCY, RATE, KILLED),
    celery("processes, acks_late", "prefork", LATE_IN_WORDS, RATE, **LATE),
    celery("processes, acks_late, prefetch 1", "prefork", SAFE_IN_WORDS, KILLED, **SAFE),
    celery(
        "processes, acks_late, prefetch 1, visible after 10 s",
        "prefork",
        f"{SAFE_IN_WORDS}, `visibility_timeout` {VISIBLE_AFTER} s, not an hour",
        KILLED,
        **SAFE,
        broker_transport_options={"visibility_timeout": VISIBLE_AFTER},
    ),
    celery("processes; a child is killed", "prefork", "the defaults", KILLED, kills=CHILD),
    celery(
        "processes, acks_late, prefetch 1; a child is killed",
        "prefork",
        SAFE_IN_WORDS,
        KILLED,
        kills=CHILD,
        **SAFE,
    ),
    celery("threads, results in SQLite", "threads", STORED, RATE, database="sqlite"),
    celery("threads, results in PostgreSQL", "threads", STORED, LATENCY, RATE, database="postgres"),
    dramatiq("1 process", 1, "the defaults of its broker", *MEASUREMENTS),
    dramatiq("2 processes", 2, "the defaults of its broker", RATE),
    dramatiq(
        "1 process, heartbeat_timeout 10 s",
        1,
        "`heartbeat_timeout` 10 s in place of 60, `maintenance_chance` 10 % in place of 0.1 %",
        KILLED,
        heartbeat_timeout=10_000,
        maintenance_chance=100_000,
    ),
)


def subjects_of(measurement: str) -> list[Subject]:
    """Return the subjects of a measurement."""
    return [subject for subject in SUBJECTS if measurement in subject.measured]
