"""One client that sends without waiting."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from labs.benchmarks.load.crowd import Crowd
from labs.benchmarks.load.mode import Target, gather_crowd, new_run
from labs.benchmarks.load.moment import Moment
from labs.benchmarks.load.report import Report, quantiles
from labs.benchmarks.load.traffic import Message, Traffic


@dataclass(frozen=True)
class Flood:
    """*messages* of *size* characters at once, until all have come back.

    It also ends after *quiet* seconds without one, or after *limit* seconds.
    """

    messages: int = 2000
    size: int = 64
    settle: float = 0.3
    quiet: float = 5.0
    limit: float = 60.0

    async def run(self, target: Target) -> tuple[Report, Crowd]:
        """Run the flood. ``Mode`` describes the result."""
        run, report, times = new_run(), Report(), list[float]()
        latest = 0.0

        def finish(message: Message) -> None:
            nonlocal latest
            latest = time.perf_counter()
            times.append(latest - message.at)

        traffic = Traffic(run, self.size, finish)
        crowd = Crowd(run, 1, 1, target.urls, traffic.hear, target.client)
        traffic.clients = crowd.clients
        await gather_crowd(crowd, target)
        await asyncio.sleep(self.settle)
        start = Moment.now(target.watched)
        latest = start.at
        for _ in range(self.messages):
            traffic.say(crowd.clients[0])
        while traffic.in_flight and (patience := self._patience(start.at, latest)) > 0:
            await traffic.wait_until_done(patience)
        Moment.now(target.watched, traffic.account.received, len(times)).since(start, report)
        # The silence after an unanswered flood does not count as its duration.
        seconds = max(latest - start.at, 1e-9)
        report.figures["messages_per_s"] = len(times) / seconds
        report.figures["deliveries_per_s"] = traffic.account.received / seconds
        report.figures |= quantiles(times)
        await traffic.linger()
        report.count(crowd, traffic)
        return report, crowd

    def _patience(self, since: float, latest: float) -> float:
        """Return how long to wait for more (s) if nothing comes after *latest*."""
        return min(latest + self.quiet, since + self.limit) - time.perf_counter()
