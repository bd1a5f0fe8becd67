"""Pages that workers answer, while the workers restart."""

from __future__ import annotations

from labs.rehearsal.readers import readers
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step
from labs.rehearsal.steps.restarting import BETWEEN

#: How many workers there are, and how many people read pages.
WORKERS, READERS = 2, 4


class PagesRestart(Step):
    """Workers answer pages, and get new code one after the other."""

    name = "pages"
    description = "workers answer pages, and restart one after the other, under load"

    def play(self, stage: Stage) -> None:
        """Let workers answer, restart each, and let the web dyno answer again."""
        app = stage.chat
        app.set_config(HTTP_BY="workers")
        app.scale("worker", WORKERS)
        with stage.load(), readers(stage.site.router, READERS) as read:
            stage.hold(BETWEEN)
            for number in range(1, WORKERS + 1):
                app.restart("worker", number)
                stage.hold(BETWEEN)
        stage.note(read.describe())
        stage.expect(not read.failures, f"all pages, but {dict(read.failures)}")
        stage.expect(app.killed == 0, f"workers to end in time, but {app.killed} were killed")
        app.scale("worker", 1)
        app.set_config(HTTP_BY="interface")
