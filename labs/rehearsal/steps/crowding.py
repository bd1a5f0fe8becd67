"""More connections than the Redis plan allows."""

from __future__ import annotations

from labs.rehearsal.key_value import CONNECTIONS
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step
from labs.rehearsal.steps.restarting import BETWEEN

#: How many workers need more than that.
WORKERS = 7


class Crowded(Step):
    """Too many workers for the plan."""

    name = "crowded"
    description = (
        f"`worker={WORKERS}`, which wants more than {CONNECTIONS} connections to Redis, under load"
    )

    def play(self, stage: Stage) -> None:
        """Scale out too far, and in again."""
        app = stage.chat
        with stage.load():
            stage.hold(BETWEEN)
            app.scale("worker", WORKERS, wait=False)
            stage.hold(2 * BETWEEN)
            app.scale("worker", 1)
            stage.hold(BETWEEN)
        refused = stage.site.gauge.whole.refused
        stage.note(f"Redis refused {refused} connections; who had one went on")
        stage.expect(refused > 0, "more connections than there are, but all were taken")
        stage.expect(app.killed == 0, f"an end in time, but {app.killed} dynos were killed")
