"""A worker is killed in the middle of its consumers."""

from __future__ import annotations

import signal

from faults.fault import Fault
from faults.stage import Stage


class WorkerKilled(Fault):
    """SIGKILL to a worker whose threads run consumers that take a while."""

    name = "worker-killed"
    description = "kill -9 of a worker in the middle of its consumers"

    def harm(self, stage: Stage) -> None:
        """Keep threads busy, then kill one worker."""
        for room in range(stage.size.rooms):
            stage.traffic.order(f"r{room}s0", do="slow", seconds=3)
        stage.last(1.5)
        stage.site.workers[0].signal(signal.SIGKILL)
        stage.strike()
