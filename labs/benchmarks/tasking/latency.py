"""How long a task takes from the call that enqueues it until it runs, on an idle worker."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from labs.benchmarks.load.report import quantiles
from labs.benchmarks.tasking.site import RunnerSite, Sent
from labs.benchmarks.tasking.subjects import Subject

#: Between two tasks of different runners (s). The workers of the others are idle meanwhile.
PAUSE = 0.15

Figures = dict[str, float]


def measure_latency(subjects: Sequence[Subject], rounds: int, folder: Path) -> list[Figures]:
    """Send one task to each subject in turn, in so many *rounds*, and return their figures.

    All workers stand side by side, so each is idle for as long as the others take.
    """
    with ExitStack() as stack:
        sites = [stack.enter_context(site) for site in make_sites(subjects, folder)]
        for site in sites:
            site.start_worker()
            site.warm_up()
        lines = {site.folder: len(site.runs().ended) for site in sites}
        sent: dict[Path, list[Sent]] = {site.folder: [] for site in sites}
        for number in range(rounds):
            for site in sites:
                site.wait_for_lines(lines[site.folder] + number)
                sent[site.folder].append(site.client.enqueue("nothing", number, 1))
                threading.Event().wait(PAUSE)
        for site in sites:
            site.wait_for_lines(lines[site.folder] + rounds)
        return [figures_of(site, sent[site.folder]) for site in sites]


def figures_of(site: RunnerSite, sent: Sequence[Sent]) -> Figures:
    """Return the times of *site*: of a call, and until the task ran (ms)."""
    ends = site.runs().first_end
    times = [ends[number] - one.began for number, one in enumerate(sent)]
    calls = quantiles([one.took for one in sent])
    return {**quantiles(times), "call_ms": calls["p50_ms"]}


def make_sites(subjects: Sequence[Subject], folder: Path) -> list[RunnerSite]:
    """Return the sites of *subjects*, not started, each in a folder of its own."""
    sites = []
    for number, subject in enumerate(subjects):
        own = folder / str(number)
        own.mkdir(mode=0o711)
        sites.append(RunnerSite(own, subject))
    return sites
