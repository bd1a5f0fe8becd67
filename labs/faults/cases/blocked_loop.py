"""The event loop of an interface server is blocked."""

from __future__ import annotations

from labs.faults.cases.handshake_storm import expect_living
from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage

#: For how long (s): longer than a heartbeat may fail to come.
SECONDS = 7.0


class BlockedLoop(Fault):
    """An async view blocks the event loop of a server."""

    name = "blocked-loop"
    description = "an async view blocks the event loop of each interface server in turn, for 7 s"
    servers = ("daphne", "uvicorn")
    limits = Limits(seconds=2 * SECONDS + 3)

    def inject(self, stage: Stage) -> None:
        """Ask both servers for the page that blocks."""
        stage.count_from_now()
        for server in stage.site.servers:
            server.get(f"/block/?seconds={SECONDS:g}")

    def check(self, stage: Stage) -> None:
        """Nobody was called dead."""
        expect_living(stage, dead=0)
