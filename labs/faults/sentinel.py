"""A Redis with a replica, and a Sentinel that promotes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.redis_server import RedisServer, redis_command
from labs.harness.waiting import wait_for

NAME = "faults"

CONFIGURATION = """\
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {name} 127.0.0.1 {primary} 1
sentinel down-after-milliseconds {name} 1000
sentinel failover-timeout {name} 5000
"""


class Watched:
    """The *primary*, with a replica and a Sentinel, whose files go to *folder*.

    *host* is what processes are told: an entry of ``hosts``.
    """

    def __init__(self, primary: RedisServer, folder: Path) -> None:
        self.primary = primary
        self.folder = folder
        beside = folder / "replica"
        beside.mkdir()
        self.replica = RedisServer(beside, "--replicaof", "127.0.0.1", str(primary.port))
        self.sentinel: Process | None = None
        self.host: dict[str, Any] = {}

    def start(self) -> None:
        """Start replica and Sentinel, and wait until they know each other."""
        self.replica.start()
        port, file = free_port(), self.folder / "sentinel.conf"
        values = {"port": port, "folder": self.folder, "name": NAME, "primary": self.primary.port}
        file.write_text(CONFIGURATION.format(**values))
        command: list[str | Path] = [redis_command(), file, "--sentinel"]
        self.sentinel = Process("sentinel", command, log=self.folder / "sentinel.log")
        self.sentinel.wait_until_listening(port)
        wait_for(lambda: self._knows_replica(port), "the Sentinel to find the replica")
        self.host = {"sentinels": [["127.0.0.1", port]], "master_name": NAME}

    def _knows_replica(self, port: int) -> bool:
        with RedisServer(self.folder, port=port).client() as client:
            found: Any = client.execute_command("SENTINEL", "REPLICAS", NAME)
        with self.replica.client() as client:
            return bool(found) and client.info("replication")["master_link_status"] == "up"

    def fail_over(self) -> RedisServer:
        """Kill the primary, and wait until its replica is promoted; return that."""
        self.primary.process.kill()
        wait_for(self._is_promoted, "the promotion of the replica")
        return self.replica

    def _is_promoted(self) -> bool:
        with self.replica.client() as client:
            return bool(client.info("replication")["role"] == "master")

    def kill(self) -> None:
        """Kill what still runs."""
        if self.sentinel is not None:
            self.sentinel.kill()
        for each in (self.primary, self.replica):
            if each.is_running:
                each.process.kill()
