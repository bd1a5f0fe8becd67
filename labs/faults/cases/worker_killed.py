"""A worker is killed in the middle of its consumers."""

from __future__ import annotations

import signal
import statistics
import time

from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript

#: How long the connections of messages may wait whose worker was killed (s).
BACK = 2.0

#: A storm: the pause between two kills, and how long it lasts, also in a quick run (s).
PAUSE, STORM, QUICK_STORM = 1.5, 15.0, 6.0

#: The highest median of the time to the echo of a message during a storm, its highest 99th
#: percentile, and the time of a message that is hit twice (s).
MEDIAN, LATE, TWICE = 0.3, 2.0, 5.0


class WorkerKilled(Fault):
    """SIGKILL to a worker whose threads run slow consumers."""

    name = "worker-killed"
    description = "kill -9 of a worker in the middle of its consumers"
    limits = Limits(seconds=BACK)
    deaths = 1

    def inject(self, stage: Stage) -> None:
        """Keep threads busy, then kill the worker that runs the most consumers."""
        stage.keep_busy()
        victim = stage.busiest_worker()
        victim.signal(signal.SIGKILL)
        stage.mark_fault(victim)
        stage.expect_in_flight(victim)
        stage.release()
        victim.wait()


class WorkerKillStorm(Fault):
    """SIGKILL to one worker after the other."""

    name = "worker-kill-storm"
    description = (
        "kill -9 of a worker every 1.5 s for 15 s (quick: 6 s), each with a new one in its place, "
        "under 300 messages a second (quick: 30)"
    )
    limits = Limits(seconds=TWICE)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """300 messages a second."""
        return Plan(servers, size.rooms, size.each, size.interval * 2 / 3)

    def inject(self, stage: Stage) -> None:
        """Kill the oldest worker each time."""
        stage.count_from_now()
        end = time.monotonic() + stage.size.choose(STORM, QUICK_STORM)
        while time.monotonic() < end:
            victim = stage.site.workers[0]
            victim.signal(signal.SIGKILL)
            stage.allow_uncommitted(victim)
            victim.wait()
            stage.site.replace_dead_workers()
            stage.hold(PAUSE)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Compare the delays with their limits."""
        delays = sorted(
            said.back - said.at
            for person in transcript.people
            for said in person.said
            if said.back is not None and said.at >= stage.since
        )
        for what, found, limit in (
            ("median", statistics.median(delays), MEDIAN),
            ("99th percentile", delays[len(delays) * 99 // 100], LATE),
        ):
            stage.note(f"{found:.2f} s to the echo of a message: {what} of {len(delays)}")
            stage.expect(found <= limit, f"the {what} is {found:.2f} s, at most {limit:g}")
