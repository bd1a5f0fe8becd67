"""An interface server is killed."""

from __future__ import annotations

from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.crowd.transcript import Transcript
from labs.harness.waiting import wait_for

#: How long messages and disconnects may take after a kill, and how long there may be leftovers (s).
BACK, LEFT = 2.0, 15.0


class ServerKilled(Fault):
    """SIGKILL to one of two interface servers."""

    name = "server-killed"
    description = "kill -9 of an interface server"
    limits = Limits(seconds=BACK)
    deaths = 1

    def inject(self, stage: Stage) -> None:
        """Kill it."""
        victim = stage.site.servers[0]
        stage.expect_drops(victim)
        stage.count_from_now()
        victim.process.kill()

    def check(self, stage: Stage) -> None:
        """Look for leftovers of it in Redis."""
        site, joined = stage.site, stage.traffic.status().joined
        for pattern, count in (("connections:*", 1), ("groups:*", 1), ("session:*", joined)):
            site.wait_for_keys(pattern, count, LEFT)
        wait_for(lambda: len(site.keys("inbox:*")) <= 1, "the end of its inbox", LEFT)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check how long disconnects took."""
        judge_disconnects(stage, transcript, BACK)


class ServerKilledBusy(ServerKilled):
    """The same, while consumers of its sockets are busy."""

    name = "server-killed-busy"
    description = "kill -9 of an interface server while consumers of its sockets run"

    def inject(self, stage: Stage) -> None:
        """Keep workers busy for as long as it takes to detect the death."""
        stage.keep_busy()
        super().inject(stage)
        wait_for(lambda: len(stage.site.status().servers) == 1, "its death", LEFT)
        stage.release()


def judge_disconnects(stage: Stage, transcript: Transcript, limit: float) -> None:
    """Compare the time from each closed socket to its disconnect with *limit* (s)."""
    runs = read_runs(stage.site.folder)
    begun = {run.key: run.before for run in reversed(runs) if run.channel == "disconnect"}
    times = [
        begun[visit.key] - visit.ended
        for person in transcript.people
        for visit in person.visits
        if visit.ended and visit.server in stage.dropping and visit.key in begun
    ]
    longest = max(times, default=0.0)
    stage.note(f"disconnects {longest:.2f} s after the end of a socket at the latest")
    stage.expect(longest <= limit, f"a disconnect came after {longest:.1f} s, at most {limit:g}")
