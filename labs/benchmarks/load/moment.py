"""A snapshot during a run. Measurements are differences of two."""

from __future__ import annotations

import time
from dataclasses import dataclass

from labs.benchmarks.load.processes import Roles, cpu_seconds
from labs.benchmarks.load.report import Report

CLIENT = "client"


@dataclass(frozen=True)
class Moment:
    """Times (s), and totals until then."""

    at: float
    clock: float
    received: int
    finished: int
    cpu: dict[str, float]
    redis_us: float

    @classmethod
    def now(
        cls, roles: Roles, received: int = 0, finished: int = 0, redis_us: float = 0.0
    ) -> Moment:
        """Take a snapshot."""
        cpu = cpu_seconds(roles) | {CLIENT: time.process_time()}
        return cls(time.perf_counter(), time.time(), received, finished, cpu, redis_us)

    def since(self, start: Moment, report: Report) -> float:
        """Write the differences since *start* into *report*. Returns the time between (s)."""
        seconds = self.at - start.at
        finished = self.finished - start.finished
        taken = {role: self.cpu[role] - start.cpu[role] for role in self.cpu}
        report.window = (start.clock, self.clock)
        report.cpu = {role: round(cpu / seconds, 3) for role, cpu in taken.items()}
        if finished:
            report.cpu_us = {role: round(cpu / finished * 1e6, 2) for role, cpu in taken.items()}
        report.figures["messages_per_s"] = finished / seconds
        report.figures["deliveries_per_s"] = (self.received - start.received) / seconds
        return seconds

    def redis_us_per_message(self, start: Moment, quiet: Moment, silent: Moment) -> float:
        """Return the time in Redis per message since *start* (us).

        Background load, as from *quiet* to *silent*, is subtracted.
        """
        anyway = (silent.redis_us - quiet.redis_us) / (silent.at - quiet.at)
        taken = self.redis_us - start.redis_us - anyway * (self.at - start.at)
        return taken / (self.finished - start.finished)
