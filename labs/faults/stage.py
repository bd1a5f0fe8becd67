"""The stage of a fault: a site, its load, and observations."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from labs.faults.diaries import Moment, Run, read_runs
from labs.faults.row import Row
from labs.faults.site import Site
from labs.faults.size import Size
from labs.harness import stage as harness
from labs.harness.crowd.traffic import Traffic
from labs.harness.crowd.transcript import Transcript
from labs.harness.processes import Process
from labs.harness.server import Server
from labs.harness.waiting import wait_for

#: The longest time that consumers are held (s).
HELD = 60.0


@dataclass
class Stage(harness.Stage[Row]):
    """*moments* are the times of faults. Outages are measured from *since* on (monotonic s)."""

    site: Site
    traffic: Traffic
    size: Size
    row: Row
    moments: list[Moment] = field(default_factory=list)
    since: float = 0.0
    dropping: set[int] = field(default_factory=set)

    def mark_fault(self, process: Process | None = None) -> None:
        """Record that a fault happens now, to a *process*, or to Redis and thus to all."""
        self.since = time.monotonic()
        self.allow_uncommitted(process)

    def allow_uncommitted(self, process: Process | None = None) -> None:
        """Record that what a worker *process* (or any) runs now may stay uncommitted."""
        self.moments.append(Moment(time.monotonic(), process.pid if process else None))

    def count_from_now(self) -> None:
        """Measure outages from now on, not from the last fault."""
        self.since = time.monotonic()

    def keep_busy(self, seconds: float = HELD, *, do: str = "hold") -> None:
        """Let two of three worker threads run a consumer, until :meth:`release`.

        It takes *seconds* at most, or with *do* ``slow`` exactly. Returns when they do.
        """
        setting = self.site.setting
        rooms = min(self.size.rooms, setting.workers * setting.threads * 2 // 3)
        for room in range(rooms):
            self.traffic.order(f"r{room}s0", do=do, seconds=seconds)
        wait_for(lambda: len(self.running()) >= rooms, "consumers that take a while")

    def release(self) -> None:
        """Let the consumers of :meth:`keep_busy` return."""
        (self.site.folder / "released").touch()

    def running(self) -> list[Run]:
        """Return the runs of consumers that have not finished."""
        return [run for run in read_runs(self.site.folder) if run.after is None]

    def busiest_worker(self) -> Process:
        """Return the worker that runs the most consumers."""
        running = [run.process for run in self.running()]
        return max(self.site.workers, key=lambda worker: running.count(worker.pid))

    def expect_in_flight(self, victim: Process) -> None:
        """Note how many consumers a worker was running. Zero is a missed target."""
        cut = sum(run.process == victim.pid for run in self.running())
        self.note(f"{cut} consumers were in flight in it")
        self.expect(cut > 0, "no consumer was running")

    def records(self) -> int:
        """Return how many connections the layer knows."""
        count = 0
        for server in self.site.all_redis:
            with server.client() as client:
                keys = client.keys(f"{self.site.prefix}:*:connections:*")
                count += sum(int(client.hlen(key)) for key in keys)
        return count

    def expect_drops(self, server: Server) -> None:
        """Record that the sockets of *server* will be dropped."""
        self.dropping.add(self.site.servers.index(server))

    def drops(self, transcript: Transcript) -> tuple[int, int]:
        """Return how many sockets were dropped by surviving servers, and by ended ones."""
        ended = [
            visit.server in self.dropping
            for person in transcript.people
            for visit in person.visits
            if visit.joined is not None and visit.ended is not None
        ]
        return len(ended) - sum(ended), sum(ended)
