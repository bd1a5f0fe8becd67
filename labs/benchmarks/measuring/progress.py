"""Prints the progress of a run."""

from __future__ import annotations

import time

from labs.benchmarks.load.report import Report
from labs.harness.report import number, say

#: The figures to print, if they exist.
SAID = (
    "messages_per_s",
    "deliveries_per_s",
    "p50_ms",
    "connects_per_s",
    "server_kib_per_socket",
    "requests_per_message",
    "redis_us_per_message",
)


class Progress:
    """Counts the finished measurements of *total*."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._since = time.monotonic()

    def say(self, text: str) -> None:
        """Print *text* and the number of finished measurements."""
        self.done += 1
        seconds = time.monotonic() - self._since
        say(f"{self.done:4}/{self.total} {seconds:6.0f} s  {text}")

    def report(self, name: str, report: Report) -> None:
        """Print the figures of one more measurement."""
        figures = [f"{key} {number(report.figures[key])}" for key in SAID if key in report.figures]
        trouble = [f"{what}: {count}" for what, count in report.trouble.items()]
        self.say(f"{name}: {', '.join(figures + trouble)}")
