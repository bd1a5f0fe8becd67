"""A frozen process: a worker, an interface server, Redis."""

from __future__ import annotations

from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.processes import Process


def freeze(stage: Stage, process: Process, seconds: float) -> None:
    """Freeze *process* for some seconds."""
    process.freeze()
    stage.mark_fault(process)
    stage.hold(seconds)
    process.resume()
    stage.allow_uncommitted(process)


class WorkerFrozen(Fault):
    """SIGSTOP to a worker in the middle of its consumers, SIGCONT after others have run them."""

    name = "worker-frozen"
    description = "SIGSTOP to a worker in the middle of its consumers for 15 s"
    deaths = 1

    def inject(self, stage: Stage) -> None:
        """Freeze the one that runs the most consumers."""
        stage.keep_busy(3, do="slow")
        victim = stage.busiest_worker()
        stage.expect_in_flight(victim)
        freeze(stage, victim, 15)


class RedisFrozen(Fault):
    """SIGSTOP to Redis."""

    name = "redis-frozen"
    description = "SIGSTOP to Redis for 10 s"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Freeze it."""
        freeze(stage, stage.site.redis.process, 10)
        stage.allow_uncommitted()
        stage.count_from_now()


class ServerFrozen(Fault):
    """SIGSTOP to an interface server until it counts as dead, then SIGCONT."""

    name = "server-frozen"
    description = "SIGSTOP to an interface server for 30 s (quick: 12 s)"
    limits = Limits()
    calm_timeout = 40.0
    deaths = 1

    def inject(self, stage: Stage) -> None:
        """Freeze one."""
        victim = stage.site.servers[0]
        stage.expect_drops(victim)
        freeze(stage, victim.process, stage.size.choose(30, 12))
        stage.count_from_now()

    def check(self, stage: Stage) -> None:
        """Look for ghosts: records and groups of sockets that no longer exist."""
        joined = stage.traffic.status().joined
        stage.expect(stage.records() == joined, f"{stage.records()} records of {joined} sockets")
        stage.site.wait_for_keys("session:*", joined, 10)
