"""Workers are killed in the middle of a message, one after the other."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

from labs.benchmarks.dying.figures import Death
from labs.faults.diaries import Run, read_runs
from labs.faults.site import Setting, Site
from labs.harness.processes import Process
from labs.harness.site import WORKER_READY
from labs.harness.waiting import wait_for

#: How long a consumer runs in the worker that is killed (s). It returns at once when it runs again.
SLOW = 600.0


def kill_workers(kills: int, folder: Path) -> Iterator[Death]:
    """Kill *kills* workers of three, and yield when the message of each ran elsewhere."""
    folder.mkdir()
    with Site(folder, Setting(servers=("daphne",))) as site:
        address = f"{site.servers[0].socket_url}/room/deaths/?key=ann"
        with connect(address, open_timeout=60, ping_interval=None) as socket:
            for number in range(kills):
                yield kill_one(site, socket, number)


def kill_one(site: Site, socket: ClientConnection, number: int) -> Death:
    """Kill the worker that runs message *number*, and start another one in its place."""
    order = {"do": "slow", "seconds": SLOW, "times": 1}
    socket.send(json.dumps({"sender": "ann", "number": number, "order": order}))
    [first] = wait_for(lambda: runs_of(site, number), "a run of the message")
    victim = next(worker for worker in site.workers if worker.pid == first.process)
    at = time.monotonic()
    victim.signal(signal.SIGKILL)
    _, second = wait_for(lambda: two_of(runs_of(site, number)), "another run of the message")
    victim.wait()
    replace(site, victim)
    return Death((second.before - at,))


def runs_of(site: Site, number: int) -> list[Run]:
    """Return the runs of message *number*, in order."""
    runs = read_runs(site.folder)
    return [run for run in runs if run.channel == "receive" and run.number == number]


def two_of(runs: list[Run]) -> list[Run]:
    """Return both runs, or nothing yet."""
    return runs if len(runs) == 2 else []


def replace(site: Site, victim: Process) -> None:
    """Start a worker in the place of *victim*, and wait until it listens."""
    site.workers.remove(victim)
    site.start_worker().wait_for_line(WORKER_READY)
