"""Clients that request a page again and again, each on its own connection."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from labs.benchmarks.load.mode import Target
from labs.benchmarks.load.moment import Moment
from labs.benchmarks.load.report import Report, quantiles

REQUEST = b"GET /page/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.1 (\d+) ")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass
class Visitors:
    """The connections of a run, and what they got."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    finished: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    #: Connections that ended by themselves.
    dropped: int = 0

    async def leave(self) -> None:
        """Close them."""
        for writer in self.writers:
            writer.close()

    async def visit(self, url: str, pause: float, end: float) -> None:
        """Request the page until *end* (``perf_counter``), with *pause* (s) after each answer."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        self.writers.append(writer)
        while (since := time.perf_counter()) < end:
            writer.write(REQUEST)
            try:
                status = await read_answer(reader)
            except (OSError, EOFError):
                self.dropped += 1
                return
            self.times.append(time.perf_counter() - since)
            self.finished += 1
            self.statuses[status] += status != "200"
            if pause:
                await asyncio.sleep(pause)


async def read_answer(reader: asyncio.StreamReader) -> str:
    """Read an answer with a Content-Length, and return its status. EOFError at the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, length = STATUS.match(head), LENGTH.search(head)
    if status is None or length is None:
        raise RuntimeError(f"Expected a status and a Content-Length, got {head!r}.")
    await reader.readexactly(int(length[1]))
    return status[1].decode()


@dataclass(frozen=True)
class Pages:
    """*clients* with one request in flight each, and *pause* (s) after each answer.

    They visit for *warmup* seconds, and then for *seconds*, which count.
    """

    clients: int
    pause: float = 0.0
    warmup: float = 0.5
    seconds: float = 2.0
    settle: float = 0.3

    async def run(self, target: Target) -> tuple[Report, Visitors]:
        """Run the load. ``Mode`` describes the result."""
        report, visitors = Report(), Visitors()
        await asyncio.sleep(self.settle)
        begin = time.perf_counter() + self.warmup
        tasks = self._start(target.urls, visitors, begin + self.seconds)
        await asyncio.sleep(self.warmup)
        visitors.times.clear()
        start = Moment.now(target.watched, finished=visitors.finished)
        # The last answers come after the end, and do not count.
        await asyncio.sleep(self.seconds)
        times, end = list(visitors.times), Moment.now(target.watched, finished=visitors.finished)
        end.since(start, report)
        failures = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if one]
        if not times:
            raise RuntimeError(f"Expected answers, got none: {failures[:1]}.")
        del report.figures["deliveries_per_s"]
        report.figures |= quantiles(times)
        report.counts = {"failed": len(failures), "dropped": visitors.dropped}
        report.trouble = {f"status {name}": n for name, n in visitors.statuses.items() if n}
        report.counts["lost"] = sum(report.trouble.values())
        return report, visitors

    def _start(
        self, urls: Sequence[str], visitors: Visitors, end: float
    ) -> list[asyncio.Task[None]]:
        return [
            asyncio.create_task(visitors.visit(urls[number % len(urls)], self.pause, end))
            for number in range(self.clients)
        ]
