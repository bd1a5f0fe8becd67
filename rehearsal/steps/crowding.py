"""More connections than the plan of Redis has."""

from __future__ import annotations

from rehearsal.key_value import CONNECTIONS
from rehearsal.stage import Stage
from rehearsal.step import Step
from rehearsal.steps.restarting import BETWEEN

#: How many workers there are when all restart.
WORKERS = 3


class Crowded(Step):
    """Old and new processes side by side."""

    name = "crowded"
    description = (
        f"`worker={WORKERS}`, then a config var, under load: "
        f"old and new dynos want more than {CONNECTIONS} connections to Redis"
    )

    def play(self, stage: Stage) -> None:
        """Scale out, restart all at once, scale in."""
        app = stage.chat
        app.scale("worker", WORKERS)
        before = stage.site.gauge.whole.refused
        with stage.load(may_drop=True) as counted:
            stage.last(BETWEEN)
            app.set_config(LOG_LEVEL="INFO")
            stage.last(BETWEEN)
        refused = stage.site.gauge.whole.refused - before
        stage.note(f"Redis refused {refused} connections, which were tried again")
        stage.note(f"{counted.fetched} messages shown by the history")
        stage.expect(refused > 0, "more connections than there are, but all were taken")
        stage.expect(app.killed == 0, f"an end in time, but {app.killed} dynos were killed")
        app.scale("worker", 1)
