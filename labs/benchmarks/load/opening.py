"""Opens sockets and leaves them idle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from labs.benchmarks.load.crowd import Crowd
from labs.benchmarks.load.mode import Target, gather_crowd, new_run
from labs.benchmarks.load.moment import Moment
from labs.benchmarks.load.processes import memory
from labs.benchmarks.load.report import Report, quantiles

#: How long a server may take for one-time setup at its first socket (s).
FIRST = 0.5


@dataclass(frozen=True)
class Opening:
    """*clients* in *rooms* (0: each in its own). Memory is measured after *settle* seconds.

    A first socket, which is not counted, triggers the server's one-time setup.
    """

    clients: int = 1000
    rooms: int = 0
    settle: float = 1.0

    async def run(self, target: Target) -> tuple[Report, Crowd]:
        """Open the sockets. ``Mode`` describes the result."""
        report = Report()
        first = Crowd(new_run(), 1, 1, target.urls, kind=target.client)
        await gather_crowd(first, target)
        await asyncio.sleep(FIRST)
        rooms = self.rooms or self.clients
        crowd = Crowd(new_run(), self.clients, rooms, target.urls, kind=target.client)
        before, start = memory(target.watched), Moment.now(target.watched)
        await gather_crowd(crowd, target)
        end = Moment.now(target.watched, 0, crowd.open)
        await asyncio.sleep(self.settle)
        after = memory(target.watched)
        end.since(start, report)
        report.figures = {"connects_per_s": crowd.open / crowd.seconds}
        report.figures |= quantiles(crowd.handshakes)
        report.memory = {role: (before[role], after[role]) for role in before}
        for role, (empty, full) in report.memory.items():
            report.figures[f"{role}_kib_per_socket"] = (full - empty) / max(crowd.open, 1)
        report.count(crowd)
        await first.leave()
        return report, crowd
