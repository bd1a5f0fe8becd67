"""A worker is killed in the middle of its consumers."""

from __future__ import annotations

import signal

from labs.faults.fault import Fault
from labs.faults.stage import Stage


class WorkerKilled(Fault):
    """SIGKILL to a worker whose threads run slow consumers."""

    name = "worker-killed"
    description = "kill -9 of a worker in the middle of its consumers"

    def inject(self, stage: Stage) -> None:
        """Keep threads busy, then kill the worker that runs the most consumers."""
        stage.keep_busy(3)
        victim = stage.busiest_worker()
        victim.signal(signal.SIGKILL)
        stage.mark_fault(victim)
        victim.wait()
        stage.expect_in_flight(victim)
