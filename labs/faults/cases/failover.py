"""Redis dies, and its replica is promoted."""

from __future__ import annotations

from pathlib import Path

from labs.faults.cases.redis_lost import LostData, settle
from labs.faults.failover_site import FailoverSite
from labs.faults.row import Limits
from labs.faults.stage import Stage


class RedisFailover(LostData):
    """SIGKILL to Redis, which has a replica and a Sentinel."""

    name = "redis-failover"
    description = "kill -9 of Redis, whose replica a Sentinel promotes"
    # What the replica had not got yet is lost, also entries of inboxes.
    limits = Limits(lost=None)

    def site(self, folder: Path, engine: Path) -> FailoverSite:
        """A site with a replica and a Sentinel."""
        return FailoverSite(folder, self.setting(folder), engine)

    def inject(self, stage: Stage) -> None:
        """Kill it, and wait for the replica."""
        assert isinstance(stage.site, FailoverSite)
        stage.mark_fault()
        stage.site.fail_over()
        stage.mark_fault()
        settle(stage)
