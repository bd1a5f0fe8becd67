"""Runs a soak on a site of its own."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from labs.benchmarks.measuring.subject import LOAD, SITE
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import pinned
from labs.benchmarks.serving.room import Room
from labs.benchmarks.serving.site import Site
from labs.benchmarks.soaking.plan import Plan
from labs.benchmarks.soaking.result import Result
from labs.harness.processes import Process
from labs.harness.report import number, say

WORKERS = 2

#: How long the load may take to stop, beside its patience (s).
STOPPING = 60.0

#: The pause between looks at the load (s), and how often a sample is printed: each n-th.
LOOK, SAID = 0.2, 6


def soak(room: Room, server: str, plan: Plan, folder: Path) -> Result:
    """Run *plan* on *room*. After an interrupt, or the death of a process, the samples are kept."""
    arrangement = Arrangement(server=server, workers=WORKERS, cores=SITE)
    with Site(room, arrangement, folder) as site:
        with pinned(LOAD):
            load = Process("load", load_command(site, plan), log=folder / "load.log")
        try:
            return follow(site, load, plan)
        finally:
            load.kill()


def load_command(site: Site, plan: Plan) -> list[str]:
    """Return the command of the load on *site*."""
    command = [sys.executable, "-m", "labs.benchmarks.soaking.load", *plan.options()]
    command += ["--redis", str(site.redis.port)]
    command += [f"--url={url}" for url in site.urls]
    return command + [f"--watch={role}:{pid}" for role, pid in processes(site).items()]


def processes(site: Site) -> dict[str, int]:
    """Return the id of each process by its name: ``server``, ``worker 1``, ..."""
    found = {}
    for role, pids in site.pids.items():
        for number_, pid in enumerate(pids, start=1):
            found[role if len(pids) == 1 else f"{role} {number_}"] = pid
    return found


def follow(site: Site, load: Process, plan: Plan) -> Result:
    """Take the lines of *load* until it ends."""
    result, seen, pause = Result(), 0, threading.Event()
    try:
        while load.is_running and not result.counts:
            pause.wait(LOOK)
            seen = take(load, seen, result)
            if ended := site.ended():
                result.ended_early = f"{ended[0].name} ended"
                break
    except KeyboardInterrupt:
        result.ended_early = "interrupted"
    if result.ended_early and load.is_running:
        # It gives up on what is under way, and closes its sockets, which takes some seconds.
        load.terminate(2 * plan.patience + STOPPING)
    take(load, seen, result)
    if not result.counts and not result.ended_early:
        raise RuntimeError(f"The load ended without counts. {load.describe()}")
    return result


def take(load: Process, seen: int, result: Result) -> int:
    """Add the lines after the first *seen* to *result*. Returns how many lines there are."""
    lines = load.lines
    for line in lines[seen:]:
        if line.startswith("{"):
            result.add(json.loads(line))
            tell(result)
    return len(lines)


def tell(result: Result) -> None:
    """Print some of the samples."""
    if result.counts or len(result.samples) % SAID != 1:
        return
    sample = result.samples[-1]
    memory = ", ".join(f"{role} {kib / 1024:.1f}" for role, kib in sample["rss_kib"].items())
    p50, p99 = (number(sample["latency"].get(key)) for key in ("p50_ms", "p99_ms"))
    say(f"{sample['at'] / 60:6.1f} min  MiB: {memory}; p50 {p50} ms, p99 {p99} ms")
