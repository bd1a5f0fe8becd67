"""Misbehaving clients, and their effect on others."""

from __future__ import annotations

import time

from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.flooder import Flooder, Sleeper
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.hearing import percentile
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript
from labs.harness.waiting import wait_for

#: A p95 below this is always accepted (s): twice a tiny delay is still tiny.
FLOOR = 0.05

#: How much an interface server may grow for one client that does not read (MiB).
GROWTH = 64

FRAMES = 5000

#: Documented close codes for a client that sends too much.
TOO_MUCH = (4008,)


def compare_delays(stage: Stage, transcript: Transcript, begin: float, end: float) -> None:
    """Compare p95 of messages sent between *begin* and *end* with p95 before."""
    first = min(person.said[0].at for person in transcript.people)
    before = percentile(transcript, first + 1, begin)
    during = percentile(transcript, begin, end)
    stage.note(f"p95 {before * 1000:.0f} ms before, {during * 1000:.0f} ms meanwhile")
    limit = max(2 * before, FLOOR)
    stage.expect(during <= limit, f"p95 {during:.3f} s, at most {limit:.3f}")


class Flood(Fault):
    """One client sends 5,000 frames without waiting."""

    name = "flood"
    description = "a client sends 5,000 frames without waiting"

    def inject(self, stage: Stage) -> None:
        """Send them."""
        stage.hold(5)
        stage.count_from_now()
        flooder = Flooder(stage.site.servers[0], FRAMES)
        flooder.run(timeout=120)
        self.end = time.monotonic()
        stage.expect(flooder.is_in_order, "the echoes are not in order")
        whole = len(flooder.heard) == FRAMES or flooder.code in TOO_MUCH
        heard = f"{len(flooder.heard)} of {FRAMES} came back, close code {flooder.code}"
        stage.note(f"{heard}, in {self.end - stage.since:.1f} s")
        stage.expect(whole, heard)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check how long others waited meanwhile."""
        compare_delays(stage, transcript, stage.since, self.end)


class SlowReader(Fault):
    """One client of a big room does not read.

    Meanwhile the others receive 20,000 frames of 4 KiB a second. (Quick: 20 messages of 16 KiB a
    second, to 20 sockets.)
    """

    description = "a client of a room of 100 reads nothing, 200 messages of 4 KiB a second"

    def __init__(self, kind: str) -> None:
        self.servers = (kind, kind)
        self.name = f"slow-reader-{kind}"  # type: ignore[misc]

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """One room."""
        each = int(size.choose(100, 20))
        interval = each / size.choose(200, 20)
        return Plan(servers, 1, each, interval, int(size.choose(4096, 16384)))

    def inject(self, stage: Stage) -> None:
        """Let the client in, and wait until it is disconnected."""
        stage.hold(5)
        server = stage.site.servers[0]
        stage.count_from_now()
        before = peak = server.process.memory / 1024
        sleeper = Sleeper(server, "room0")
        stage.hold(1)
        deadline = stage.since + 90

        def is_over() -> bool:
            nonlocal peak
            peak = max(peak, server.process.memory / 1024)
            return sleeper.is_closed(server) or time.monotonic() > deadline

        wait_for(is_over, "the end of the client", 120)
        self.end = time.monotonic()
        closed, grown = sleeper.is_closed(server), peak - before
        stage.note(f"the server grew by {grown:.0f} MiB in {self.end - stage.since:.0f} s")
        stage.expect(closed, "the connection of the client that reads nothing is still there")
        runs = read_runs(stage.site.folder)
        ended = any(run.key == "sleeper" and run.channel == "disconnect" for run in runs)
        stage.note(f"its disconnect consumer {'ran' if ended else 'did not run'}")
        stage.expect(grown <= GROWTH, f"the server grew by {grown:.0f} MiB, at most {GROWTH}")
        sleeper.close()

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check how long others waited meanwhile."""
        compare_delays(stage, transcript, stage.since, self.end)
