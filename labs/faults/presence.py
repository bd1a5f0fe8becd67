"""Compares the records of the layer with the live sockets and processes."""

from __future__ import annotations

from labs.faults.stage import Stage

#: Time-out until they agree (s).
KNOWN = 10.0


def check_presence(stage: Stage) -> None:
    """Compare the chat's and the layer's records with the live sockets, rooms and processes."""
    joined, rooms = stage.traffic.status().joined, stage.traffic.plan.rooms
    wanted = {"connections": joined, "sessions": joined, "groups": rooms, "unknown": 0, "dead": 0}
    stage.expect_soon(
        lambda: found(stage) == wanted, lambda: f"{wanted}; there are {found(stage)}", KNOWN
    )


def found(stage: Stage) -> dict[str, int]:
    """Count them. A server is known from its start."""
    site, status = stage.site, stage.site.status()
    workers = {worker.pid for worker in site.workers if worker.is_running}
    servers = {server.process.pid for server in site.servers if server.process.is_running}
    known = {server.about.pid for server in status.servers}
    known |= {worker.about.pid for worker in status.workers}
    return {
        "connections": sum(server.connections for server in status.servers),
        "sessions": len(site.keys("session:*")),
        "groups": len(site.keys("group:*")),
        "unknown": len(workers - known),
        "dead": len(known - workers - servers),
    }
