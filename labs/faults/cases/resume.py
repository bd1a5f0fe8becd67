"""Rooms whose sockets can be resumed lose an interface server, or the data in Redis."""

from __future__ import annotations

import signal

from labs.faults.cases.redis_lost import lose_data
from labs.faults.resume_fault import ResumeFault
from labs.faults.stage import Stage

#: When a worker dies after the server (s): the clients of the server come back then.
COMING_BACK = 0.5

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
        victim = stage.site.servers[0]
        stage.expect_drops(victim)
        stage.count_from_now()
        victim.process.kill()
        stage.hold(COMING_BACK)
        worker = stage.site.workers[0]
        worker.signal(signal.SIGKILL)
        stage.mark_fault(worker)
        worker.wait()


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
        victim = stage.site.servers[0]
        stage.expect_drops(victim)
        stage.count_from_now()
        victim.process.kill()
        back = stage.traffic.wait_until_calm(BACK)
        stage.expect(back, f"not all came back: {stage.traffic.status()}")
        lose_data(stage)
