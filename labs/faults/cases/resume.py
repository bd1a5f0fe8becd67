"""Rooms whose sockets can be resumed lose an interface server, or the data in Redis."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.cases.redis_lost import lose_data
from labs.faults.cases.storms import STORM, kill_both, kill_first, note_return, storm
from labs.faults.resume_fault import ResumeFault, returns_of
from labs.faults.row import Limits
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript

#: Time-out until all who come back are back (s): they may wait 3 s for the server that was killed.
BACK = 20.0


class ResumeServerKilled(ResumeFault):
    """SIGKILL to a server, and to a worker while its clients resume their connections."""

    name = "resume-server-killed"
    description = (
        "kill -9 of an interface server whose sockets can be resumed, and of a worker while every "
        "other pair of its clients resumes at the other server"
    )

    def inject(self, stage: Stage) -> None:
        """Kill both."""
        kill_both(stage)


class ResumeStorm(ResumeFault):
    """SIGKILL to the server that has everybody."""

    name = "resume-storm"
    description = (
        "kill -9 of the interface server that has 2,000 sockets (quick: 200), all of which come "
        "back elsewhere at once and resume their connections"
    )
    limits = Limits(seconds=STORM)
    all_return = True

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """Everybody resumes."""
        return replace(storm(servers, size), resumes=True, keeps=True)

    def inject(self, stage: Stage) -> None:
        """Kill it."""
        kill_first(stage)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check that all came back, and say how fast."""
        super().judge(stage, transcript)
        returns = returns_of(transcript)
        away = len(transcript.people) - len(returns)
        stage.expect(not away, f"{away} did not come back once")
        note_return(stage, returns)


class ResumeRedisEmptied(ResumeFault):
    """SIGKILL to a server, and to Redis once its clients have resumed their connections."""

    name = "resume-redis-emptied"
    description = (
        "kill -9 of an interface server, and, once all its clients have resumed their connections "
        "at the other one, of Redis, which comes back empty"
    )
    all_return = True

    def inject(self, stage: Stage) -> None:
        """Kill the server; kill Redis, start it."""
        kill_first(stage)
        back = stage.traffic.wait_until_calm(BACK)
        stage.expect(back, f"not all came back: {stage.traffic.status()}")
        lose_data(stage)
