"""Rooms that talk at a fixed rate, whether or not the previous message has arrived."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from itertools import cycle

from labs.benchmarks.load.client import Members
from labs.benchmarks.load.crowd import Crowd
from labs.benchmarks.load.mode import Target, gather_crowd
from labs.benchmarks.load.report import Report, quantiles
from labs.benchmarks.load.talk import Talk, Talking


@dataclass(frozen=True)
class Paced(Talk):
    """*rate* messages a second, one room after the other, each by one client."""

    clients: int = 50
    rooms: int = 50
    rate: float = 100.0
    patience: float = 30.0

    async def run(self, target: Target) -> tuple[Report, Crowd]:
        """Talk. ``Mode`` describes the result."""
        pacing = Pacing(self, target)
        await gather_crowd(pacing.crowd, target)
        return await pacing.measure(), pacing.crowd


class Pacing(Talking):
    """One run of *paced*."""

    def __init__(self, paced: Paced, target: Target) -> None:
        super().__init__(paced, target)
        self.paced = paced
        self._talker: asyncio.Task[None] | None = None

    def _go_on(self, room: Members) -> None:
        """Wait for the next turn."""

    def _begin(self) -> None:
        self._talker = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        due = time.perf_counter()
        for room in cycle(self.crowd.rooms):
            if self._is_over:
                return
            if speaker := next((one for one in room.clients if one.is_open), None):
                self.traffic.say(speaker)
            due += 1 / self.paced.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def _measure(self, report: Report) -> None:
        """Settle, warm up, measure; the times of what is in flight at the end count, too."""
        await super()._measure(report)
        await self.traffic.wait_until_done(self.talk.patience)
        report.figures |= quantiles(self._times)
