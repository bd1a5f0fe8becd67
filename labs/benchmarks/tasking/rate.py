"""How many tasks a second one worker runs of a full queue."""

from __future__ import annotations

from pathlib import Path

from labs.benchmarks.tasking.latency import Figures, make_sites
from labs.benchmarks.tasking.subjects import Subject

#: The share of tasks that a worker runs before its rate counts.
WARM_SHARE = 0.2

#: Time-out (s).
TIMEOUT = 120.0


def measure_rate(subject: Subject, tasks: int, folder: Path) -> Figures:
    """Enqueue so many *tasks*, start a worker, and return its figures."""
    (site,) = make_sites([subject], folder)
    with site:
        sent = site.client.enqueue("nothing", 0, tasks)
        site.start_worker()
        site.wait_for_lines(tasks, TIMEOUT)
        ends = sorted(site.runs().first_end.values())
    first = int(len(ends) * WARM_SHARE)
    rate = (len(ends) - 1 - first) / (ends[-1] - ends[first])
    return {"tasks_per_s": rate, "sent_per_s": tasks / sent.took}
