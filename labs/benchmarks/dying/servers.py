"""Interface servers with sockets are killed, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path

from websockets.sync.client import connect

from labs.benchmarks.dying.figures import Death
from labs.faults.diaries import Run, read_runs
from labs.faults.site import Setting, Site
from labs.harness.server import Server
from labs.harness.waiting import wait_for

#: How many sockets a server has when it is killed.
SOCKETS = 20

#: The kinds of servers, in turn.
KINDS = ("daphne", "uvicorn")


def kill_servers(kills: int, folder: Path) -> Iterator[Death]:
    """Kill *kills* servers, and yield when the disconnects of the sockets of each ran."""
    folder.mkdir()
    with Site(folder, Setting(servers=KINDS[:1], workers=2)) as site:
        for number, kind in enumerate(islice(cycle(KINDS[::-1]), kills)):
            yield kill_one(site, number, kind)


def kill_one(site: Site, number: int, kind: str) -> Death:
    """Kill the server, once another one of *kind* has started."""
    victim = site.servers.pop(0)
    site.start_server(kind)
    with ExitStack() as sockets:
        keys = {f"{number}.{socket}" for socket in range(SOCKETS)}
        for key in keys:
            sockets.enter_context(joined(victim, key))
        at = time.monotonic()
        victim.process.kill()
        runs = wait_for(lambda: disconnects(site, keys), "the disconnects")
    return Death(tuple(sorted(run.before - at for run in runs)))


@contextmanager
def joined(server: Server, key: str) -> Iterator[None]:
    """Hold a socket at *server*, whose consumer has run."""
    address = f"{server.socket_url}/room/deaths/?key={key}"
    with connect(address, open_timeout=60, ping_interval=None) as socket:
        socket.recv(60)
        yield


def disconnects(site: Site, keys: set[str]) -> list[Run]:
    """Return the runs for the disconnects of all *keys*, or nothing yet."""
    runs = read_runs(site.folder)
    found = [run for run in runs if run.channel == "disconnect" and run.key in keys]
    return found if {run.key for run in found} == keys else []
