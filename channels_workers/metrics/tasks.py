"""What worker processes record about Django's tasks, and about stored sends."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from channels_workers.metrics.labels import SECONDS, Children, Values


class TaskInstruments:
    """The instruments of a process that runs tasks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tasks = Values("task")
        runs = Counter(
            "channels_workers_tasks",
            "Runs of tasks, by their outcome.",
            ("task", "outcome"),
            registry=registry,
        )
        seconds = Histogram(
            "channels_workers_task_seconds",
            "How long runs of tasks took.",
            ("task",),
            buckets=SECONDS,
            registry=registry,
        )
        self._runs, self._seconds = Children(runs), Children(seconds)

    def ran(self, task: str, outcome: str, seconds: float | None) -> None:
        """Note that *task* ran with this *outcome*, for *seconds*; None if it could not begin."""
        task = self._tasks.bounded(task)
        self._runs[task, outcome].inc()
        if seconds is not None:
            self._seconds[(task,)].observe(seconds)


class RelayInstruments:
    """The instruments of a process that relays stored sends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._relayed = Counter(
            "channels_workers_stored_sends_relayed",
            "Stored sends that this process has relayed.",
            registry=registry,
        )

    def relayed(self, count: int) -> None:
        """Note that so many stored sends have gone out."""
        self._relayed.inc(count)
