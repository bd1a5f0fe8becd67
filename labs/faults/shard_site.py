"""A site with several shards: a Redis each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis.status import read_status
from channels_workers.layers.shards.names import shard_of
from channels_workers.layers.shards.types import ShardState
from channels_workers.layers.status import Status
from labs.faults.proxy import Proxy
from labs.faults.sentinel import Watched
from labs.faults.site import ENGINE, Setting, Site
from labs.harness.processes import Process
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.site import WORKER_READY
from labs.harness.waiting import wait_for

#: The names of the shards. The Redis of the first one is that of other sites.
NAMES = ("a", "b", "c")

#: Time-out until servers and workers have registered on each shard (s).
REGISTERED = 20.0


class ShardSite(Site):
    """The first *count* of :data:`NAMES`; processes begin with *known*, by default all of them.

    With a *proxied* setting, the first server and the first worker reach the second shard through a
    proxy. If a shard *is_watched*, it is the second one, which has a replica and a Sentinel.
    """

    def __init__(
        self,
        folder: Path,
        setting: Setting,
        engine: Path = ENGINE,
        count: int = 2,
        known: Sequence[str] = (),
        *,
        is_watched: bool = False,
    ) -> None:
        super().__init__(folder, setting, engine)
        self.shards = {NAMES[0]: self.redis}
        for name in NAMES[1:count]:
            (folder / name).mkdir()
            self.shards[name] = RedisServer(folder / name, *setting.redis)
        second = self.shards[NAMES[1]]
        self.proxy = Proxy(second.port)
        self.watched = Watched(second, folder / NAMES[1]) if is_watched else None
        #: The shards that processes know which start from now on.
        self.known: Sequence[str] = known or tuple(self.shards)
        #: Servers whose shard did well meanwhile: index, begin and end (monotonic s).
        self.healthy: list[tuple[int, float, float]] = []
        self._is_behind_proxy = False
        self._homes: dict[int, set[str]] = {}  # by the port of a server

    @property
    def hosts(self) -> Any:
        """The address of the only shard, or one for each of those that are known."""
        hosts: dict[str, Any] = {name: self.shards[name].url for name in self.known}
        if self.watched is not None:
            hosts[NAMES[1]] = self.watched.host
        if self._is_behind_proxy:
            hosts[NAMES[1]] = f"redis://127.0.0.1:{self.proxy.port}/0"
        return hosts if len(hosts) > 1 else list(hosts.values())

    @property
    def all_redis(self) -> list[RedisServer]:
        """The Redis of each shard that runs."""
        return [server for server in self.shards.values() if server.is_running]

    # Start and stop

    def start(self) -> None:
        """Start everything, and note where the servers have their sockets."""
        super().start()
        self.note_homes()

    def start_processes(self) -> None:
        """Start workers, which open all shards, then servers, which choose among these."""
        self.start_workers()
        if len(self.known) > 1:
            wait_for(self._are_open, "open shards", REGISTERED)
        for kind in self.setting.servers:
            self.start_server(kind)

    def _are_open(self) -> bool:
        states = [self._state(name) for name in self.known[1:]]
        return all(state == ShardState.OPEN.value.encode() for state in states)

    def _state(self, shard: str) -> bytes | None:
        with self.shards[shard].client() as client:
            found: bytes | None = client.hget(f"faults:{FORMAT_VERSION}:shard_states", shard)
            return found

    def start_before_redis(self) -> None:
        """Start the other shards, and what is in front of them."""
        for server in self.shards.values():
            server.start()
        if self.watched is not None:
            self.watched.start()
        if self.setting.proxied:
            self.proxy.start(self.engine)

    def start_server(self, kind: str, port: int | None = None) -> Server:
        """Start an interface server, and wait until a shard knows it."""
        self._is_behind_proxy = self.setting.proxied and not self.servers
        server = super().start_server(kind, port)
        wait_for(lambda: self._is_known(server.process), "the server on a shard", REGISTERED)
        return server

    def start_worker(self) -> Process:
        """Start a worker. Returns at once."""
        self._is_behind_proxy = self.setting.proxied and not self.workers
        return super().start_worker()

    def replace_worker(self, worker: Process) -> None:
        """Stop a worker, and start another one that knows what is known now."""
        worker.terminate()
        self.replace_dead_workers()
        self.workers[-1].wait_for_line(WORKER_READY)

    def replace_server(self, server: Server) -> Server:
        """Stop a server, and start another one on its port."""
        self.note_homes()
        server.process.terminate()
        at = self.servers.index(server)
        self.servers[at] = self.start_server(server.kind, server.port)
        self.servers.pop()
        self.note_homes()
        return self.servers[at]

    def kill(self) -> None:
        """Kill what still runs."""
        super().kill()
        for server in self.all_redis:
            server.process.kill()
        if self.watched is not None:
            self.watched.kill()

    # What the shards say

    def statuses(self) -> dict[str, Status]:
        """Return the status of each shard that runs."""
        found = {}
        for name, server in self.shards.items():
            if server.is_running:
                with server.client() as client:
                    found[name] = read_status(client, f"faults:{FORMAT_VERSION}:")
        return found

    def status(self) -> Status:
        """Return the status of all shards together, as far as checks need it."""
        parts = list(self.statuses().values())
        return replace(
            parts[0],
            servers=[server for part in parts for server in part.servers],
            workers=[worker for part in parts for worker in part.workers],
            channels=[channel for part in parts for channel in part.channels],
            dead_letters=sum(part.dead_letters for part in parts),
        )

    def note_homes(self) -> None:
        """Note on which shards the servers are now."""
        ports = {server.process.pid: server.port for server in self.servers}
        for name, status in self.statuses().items():
            for server in status.servers:
                if (port := ports.get(server.about.pid)) is not None:
                    home = shard_of(server.id) or name
                    self._homes.setdefault(port, set()).add(home)

    def homes_of(self, server: Server) -> set[str]:
        """Return the shards on which a server was, as far as was noted."""
        return self._homes.get(server.port, set())

    def server_at(self, shard: str) -> Server:
        """Return a server that is on that shard."""
        return next(server for server in self.servers if shard in self.homes_of(server))

    def connections(self) -> dict[str, int]:
        """Return how many connections each shard has."""
        return {
            name: sum(server.connections for server in status.servers)
            for name, status in self.statuses().items()
        }

    def puller_of(self, shard: str) -> Process:
        """Return the worker that pulls for *shard*, once there is one."""

        def find() -> Process | None:
            with self.shards[shard].client() as client:
                claim: bytes = client.get(f"faults:{FORMAT_VERSION}:puller") or b""
            known = {each.id: each.about.pid for each in self.statuses()[shard].workers}
            pid = known.get(claim.decode().partition("z")[0])
            return next((each for each in self.workers if each.pid == pid), None)

        wait_for(lambda: find() is not None, f"a puller for {shard}", REGISTERED)
        found = find()
        assert found is not None
        return found

    def _is_known(self, process: Process) -> bool:
        servers = self.status().servers
        return any(server.about.pid == process.pid for server in servers)
