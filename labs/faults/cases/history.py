"""Rooms with history lose an interface server, a worker, or the data in Redis."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.cases.redis_lost import lose_data
from labs.faults.cases.storms import STORM, kill_both, kill_first, storm
from labs.faults.history_fault import HistoryFault, returns_of
from labs.faults.row import Limits
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript


class HistoryServerKilled(HistoryFault):
    """SIGKILL to a server, and to a worker while its clients come back."""

    name = "history-server-killed"
    description = (
        "kill -9 of an interface server of rooms with history, and of a worker while the clients "
        "come back elsewhere with their positions"
    )

    def inject(self, stage: Stage) -> None:
        """Kill both."""
        kill_both(stage)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check that messages were replayed, and that nobody was told of a gap."""
        super().judge(stage, transcript)
        returns = returns_of(transcript)
        stage.expect(any(visit.replayed for visit in returns), "nothing was replayed")
        gaps = sum(visit.gap for visit in returns)
        stage.expect(not gaps, f"{gaps} were told of a gap")


class HistoryStorm(HistoryFault):
    """SIGKILL to the server that has everybody."""

    name = "history-storm"
    description = (
        "kill -9 of the interface server that has 2,000 sockets (quick: 200) of rooms with "
        "history, all of which come back elsewhere at once, with their positions"
    )
    limits = Limits(seconds=STORM)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """Everybody names its position."""
        return replace(storm(servers, size), resumes=True)

    def inject(self, stage: Stage) -> None:
        """Kill it."""
        kill_first(stage)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check that all came back, and say how fast."""
        super().judge(stage, transcript)
        returns = returns_of(transcript)
        away = len(transcript.people) - len(returns)
        stage.expect(not away, f"{away} did not come back once, with a position")
        stage.expect(any(visit.replayed for visit in returns), "nothing was replayed")
        joined = sorted(visit.joined for visit in returns if visit.joined is not None)
        if joined:
            asked = min(visit.asked for visit in returns)
            stage.note(
                f"the first handshake began, and {joined[-1] - asked:.1f} s later all were in"
            )


class HistoryRedisEmptied(HistoryFault):
    """SIGKILL to a server and to Redis, which restarts empty."""

    name = "history-redis-emptied"
    description = (
        "kill -9 of an interface server of rooms with history, and of Redis, which comes back "
        "empty before the clients do"
    )
    # Nobody who still lives knew the sockets of that server, so their disconnects are lost.
    limits = Limits(missing=None, unpaired=None)

    def inject(self, stage: Stage) -> None:
        """Kill both, start Redis."""
        victim = stage.site.servers[0]
        stage.expect_drops(victim)
        victim.process.kill()
        lose_data(stage)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check that all who came back were told of a gap."""
        super().judge(stage, transcript)
        returns = returns_of(transcript)
        untold = sum(not visit.gap for visit in returns)
        stage.expect(bool(returns), "nobody came back")
        stage.expect(not untold, f"{untold} were told of no gap")
