"""Workers are stopped gracefully: one of them, or all of them one by one."""

from __future__ import annotations

from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.site import WORKER_READY


class WorkerStopped(Fault):
    """SIGTERM to one worker."""

    name = "worker-stopped"
    description = "SIGTERM to a worker"
    limits = Limits(seconds=1)
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Stop it, and wait for its exit."""
        stage.count_from_now()
        status = stage.site.workers[0].terminate()
        stage.expect(status == 0, f"its exit status is {status}, not 0")


class RollingRestart(Fault):
    """Each worker in turn is stopped and replaced."""

    name = "rolling-restart"
    description = "SIGTERM to each worker in turn, and a new one in its place"
    limits = Limits(seconds=1)
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Replace all of them."""
        stage.count_from_now()
        for worker in list(stage.site.workers):
            status = worker.terminate()
            stage.expect(status == 0, f"an exit status is {status}, not 0")
            stage.site.replace_dead_workers()
            stage.site.workers[-1].wait_for_line(WORKER_READY)
