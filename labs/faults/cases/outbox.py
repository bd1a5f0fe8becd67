"""Rooms whose consumers store what they send, and whose workers get into trouble as they relay."""

from __future__ import annotations

from pathlib import Path

from labs.faults.cases.moments import freeze_at, kill_at
from labs.faults.once_fault import OnceFault, site_of
from labs.faults.row import Limits
from labs.faults.site import Setting
from labs.faults.stage import Stage


class OutboxFault(OnceFault):
    """Frames and answers are stored in the transaction of the line, and relayed once."""

    def setting(self, folder: Path) -> Setting:
        """Let workers relay the database."""
        return Setting(servers=self.servers, limits={"RELAY": ["default"]})

    def check(self, stage: Stage) -> None:
        """Check that nothing is stored any more."""
        site = site_of(stage)
        stage.expect_soon(lambda: not site.stored(), lambda: f"{site.stored()} sends to go", 20)
        super().check(stage)


class OutboxKilled(OutboxFault):
    """SIGKILL to workers that relay, and to those that store sends."""

    name = "outbox-killed"
    description = (
        "kill -9 of a worker that relays stored sends, before and after it deletes their rows, and "
        "of others at random moments, 9 times (quick: 3)"
    )

    def inject(self, stage: Stage) -> None:
        """Kill one, start another, wait a while."""
        kill_at(("sent", "deleted"), stage)


class OutboxFrozen(OutboxFault):
    """SIGSTOP to a worker that relays, SIGCONT after another one relayed."""

    name = "outbox-frozen"
    description = (
        "SIGSTOP to a worker that relays stored sends, before it sends and before it deletes their "
        "rows, 12 s each"
    )
    limits = Limits(seconds=20)

    def inject(self, stage: Stage) -> None:
        """Freeze one after the other."""
        freeze_at(("read", "sent"), stage, self)
