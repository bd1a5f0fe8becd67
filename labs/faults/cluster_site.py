"""A site whose data are in one slot of a Valkey cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import redis

from labs.faults.site import ENGINE, Setting, Site
from labs.harness.processes import Process
from labs.harness.redis_server import RedisServer
from labs.harness.valkey_cluster import Node, ValkeyCluster


class SlotServer(RedisServer):
    """The node that owns the slot of *tag*, as what is Redis at other sites."""

    def __init__(self, folder: Path, cluster: ValkeyCluster, tag: str) -> None:
        super().__init__(folder)
        self.cluster = cluster
        self.tag = tag
        self._is_started = False

    @property
    def owner(self) -> Node:
        """The node that owns the slot now."""
        return self.cluster.owner(self.tag)

    @property
    def is_running(self) -> bool:
        """Whether the cluster was started."""
        return self._is_started

    @property
    def process(self) -> Process:
        """The process of the owner."""
        return self.owner.process

    def start(self) -> None:
        """Start all nodes."""
        self.cluster.start()
        self._is_started = True

    def stop(self) -> None:
        """Stop all nodes."""
        self._is_started = False
        self.cluster.stop()

    def client(self) -> redis.Redis:
        """A new client of the owner. The caller closes it."""
        return redis.Redis(host="127.0.0.1", port=self.owner.port)


class ClusterSite(Site):
    """Processes know all nodes. The first of these has a replica, and the slot in the beginning."""

    prefix = "{faults}"

    def __init__(self, folder: Path, setting: Setting, engine: Path = ENGINE) -> None:
        super().__init__(folder, setting, engine)
        (folder / "cluster").mkdir()
        self.cluster = ValkeyCluster(folder / "cluster")
        self.redis = SlotServer(folder, self.cluster, self.tag)

    @property
    def tag(self) -> str:
        """A key in the slot."""
        return f"{self.prefix}:"

    @property
    def hosts(self) -> Any:
        """All nodes of the cluster."""
        return [{"cluster": self.cluster.urls}]

    def start_before_redis(self) -> None:
        """Move the slot to the node that has a replica."""
        if self.cluster.owner(self.tag) is not self.cluster.nodes[0]:
            self.cluster.move(self.tag, self.cluster.nodes[0])

    def move(self) -> None:
        """Move the slot to another primary."""
        owner = self.cluster.owner(self.tag)
        others = (node for node in self.cluster.nodes if node is not owner)
        self.cluster.move(self.tag, next(node for node in others if node.role == "master"))

    def kill(self) -> None:
        """Kill what still runs."""
        self.processes.kill()
        self.redis.stop()
