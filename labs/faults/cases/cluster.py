"""The slot of a cluster moves, or its primary dies."""

from __future__ import annotations

from pathlib import Path

from labs.faults.cases.redis_lost import settle
from labs.faults.cluster_site import ClusterSite
from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.waiting import wait_for


class SlotMoved(Fault):
    """The slot goes to other primaries."""

    name = "slot-moved"
    description = (
        "the slot that has all data moves to another primary of a Valkey cluster, 6 times (quick: "
        "twice)"
    )
    limits = Limits(seconds=5)
    deaths = 0

    def site(self, folder: Path, engine: Path) -> ClusterSite:
        """A site with a cluster."""
        return ClusterSite(folder, self.setting(folder), engine)

    def inject(self, stage: Stage) -> None:
        """Move it, again and again."""
        stage.count_from_now()
        for _ in range(int(stage.size.choose(6, 2))):
            site_of(stage).move()
            stage.hold(3)


class ClusterFailover(Fault):
    """SIGKILL to the primary that has the slot."""

    name = "cluster-failover"
    description = (
        "kill -9 of the primary of a Valkey cluster that has all data; its replica takes over"
    )
    # What the replica had not got yet is lost, also entries of inboxes.
    limits = Limits(lost=None)

    def site(self, folder: Path, engine: Path) -> ClusterSite:
        """A site with a cluster."""
        return ClusterSite(folder, self.setting(folder), engine)

    def inject(self, stage: Stage) -> None:
        """Kill it, and wait for its replica."""
        nodes = site_of(stage).cluster.nodes
        stage.mark_fault()
        nodes[0].process.kill()
        wait_for(lambda: nodes[3].role == "master", "the failover", 30)
        stage.mark_fault()
        settle(stage)


def site_of(stage: Stage) -> ClusterSite:
    """Return the site, which has a cluster."""
    assert isinstance(stage.site, ClusterSite)
    return stage.site
