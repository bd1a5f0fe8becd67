"""Rooms whose consumers store what they send, and whose workers get into trouble as they relay."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from labs.faults.cases.moments import freeze_at, kill_at
from labs.faults.once_fault import OnceFault, site_of
from labs.faults.requester import Requester
from labs.faults.row import Limits
from labs.faults.site import Setting
from labs.faults.stage import Stage
from labs.harness.server import Server
from labs.harness.waiting import wait_for


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


class OutboxServerKilled(OutboxFault):
    """SIGKILL to interface servers whose views store sends, after the COMMIT."""

    name = "outbox-server-killed"
    description = (
        "kill -9 of an interface server right after the COMMIT of a view that stores a send, 6 "
        "times (quick: 2)"
    )

    #: How many orders a server takes before the one that kills it.
    ORDERS = 20

    def inject(self, stage: Stage) -> None:
        """Order from a server of its own, until it is killed; start the next one."""
        numbers = itertools.count(1)
        for kind in itertools.islice(itertools.cycle(("daphne", "uvicorn")), self.rounds(stage)):
            server = stage.site.start_server(kind)
            self._order_all(stage, server, numbers)
            stage.site.servers.remove(server)
            stage.mark_fault()

    def _order_all(self, stage: Stage, server: Server, numbers: Iterator[int]) -> None:
        paths = [f"/order/{next(numbers)}/" for _ in range(self.ORDERS)]
        ordered = [Requester(server, "POST", path) for path in paths]
        wait_for(lambda: all(each.is_done for each in ordered), "the orders", 60)
        stage.expect(all(each.status == 200 for each in ordered), "orders are refused")
        last = Requester(server, "POST", f"/order/{next(numbers)}/?kill")
        wait_for(lambda: not server.process.is_running, "the end of the server", 60)
        wait_for(lambda: last.is_done, "the end of the request", 60)
        stage.expect(last.status == 0, f"the last order got {last.status}")

    def rounds(self, stage: Stage) -> int:
        """Return how many servers are killed."""
        return int(stage.size.choose(6, 2))

    def check(self, stage: Stage) -> None:
        """Compare what views have committed with what consumers got."""
        super().check(stage)
        site = site_of(stage)
        ordered, total = site.orders("ordered"), self.rounds(stage) * (self.ORDERS + 1)
        stage.expect(len(ordered) == total, f"{len(ordered)} orders are committed, not {total}")
        stage.expect_soon(
            lambda: len(site.orders("taken")) >= len(ordered),
            lambda: f"all orders; {len(site.orders('taken'))} of {len(ordered)} arrived",
            20,
        )
        taken = site.orders("taken")
        stage.expect(taken == ordered, f"orders were lost or came twice: {len(taken)} for {total}")
        stage.note(f"{len(ordered)} orders committed, {len(taken)} arrived")

    def others(self, stage: Stage) -> int:
        """Return one for each order."""
        return len(site_of(stage).orders("taken"))


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
