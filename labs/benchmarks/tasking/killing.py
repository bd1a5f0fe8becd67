"""What a SIGKILL of a worker in the middle of tasks loses, or runs twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from labs.benchmarks.tasking.latency import Figures, make_sites
from labs.benchmarks.tasking.site import RunnerSite
from labs.benchmarks.tasking.subjects import CHILD, Subject
from labs.harness.processes import Process
from labs.harness.waiting import wait_for

#: The share of tasks that end before the kill.
BEFORE = 0.4


@dataclass(frozen=True)
class Extent:
    """How many *tasks* there are, and times (s).

    One task takes *seconds*. All may take *longest* to end, and the run goes on for *after*, to see
    second runs.
    """

    tasks: int
    seconds: float
    longest: float
    after: float


def measure_killed(subjects: Sequence[Subject], extent: Extent, folder: Path) -> list[Figures]:
    """Kill a worker of each subject, start another one, and count. All run side by side."""
    sites = make_sites(subjects, folder)
    with ThreadPoolExecutor(len(sites)) as pool:
        return list(pool.map(lambda site: kill_one(site, extent), sites))


def kill_one(site: RunnerSite, extent: Extent) -> Figures:
    """Kill the worker of *site* while its tasks run, and count."""
    tasks = extent.tasks
    with site:
        worker = site.start_worker()
        site.warm_up()
        site.client.enqueue("hold", 0, tasks, extent.seconds)
        wait_for(lambda: ended(site, tasks) >= tasks * BEFORE, "tasks before the kill")
        killed_at = time.monotonic()
        kill(site, worker)
        wait_until(lambda: ended(site, tasks) == tasks, killed_at + extent.longest)
        threading.Event().wait(extent.after)
        runs, waiting = site.runs(), site.waiting()
    mine = range(tasks)
    done = sum(number in runs.ended for number in mine)
    last = max(runs.first_end[number] for number in mine if number in runs.ended)
    return {
        "enqueued": tasks,
        "ended": done,
        "waiting": min(waiting, tasks - done),
        "lost": max(0, tasks - done - waiting),
        "begun_again": sum(runs.begun[number] > 1 for number in mine),
        "ended_twice": sum(runs.ended[number] > 1 for number in mine),
        "seconds": max(0.0, last - killed_at),
    }


def ended(site: RunnerSite, tasks: int) -> int:
    """Return how many tasks have ended."""
    runs = site.runs()
    return sum(number in runs.ended for number in range(tasks))


def kill(site: RunnerSite, worker: Process) -> None:
    """Kill what the subject says, and start another worker if none is left."""
    if site.subject.kills == CHILD:
        os.kill(children(worker.pid)[0], signal.SIGKILL)
    else:
        worker.kill()
        site.start_worker()


def children(parent: int) -> list[int]:
    """Return the process ids of the children of *parent*."""
    threads = Path(f"/proc/{parent}/task")
    return [int(pid) for own in threads.glob("*/children") for pid in own.read_text().split()]


def wait_until(condition: Callable[[], bool], deadline: float) -> None:
    """Wait for *condition* until *deadline* at most (monotonic s)."""
    wait_for(lambda: condition() or time.monotonic() > deadline, "the deadline", 3_600)
