"""Compares the records of the layer with the live sockets and processes."""

from __future__ import annotations

from labs.faults.stage import Stage

#: Time-outs (s): until they agree, for all messages to be consumed, and for frames to arrive.
KNOWN, DRAIN_TIME, ARRIVAL = 10.0, 20.0, 1.0


def check_rest(stage: Stage) -> None:
    """Wait for the cleanup after dead processes, and check that people who left are gone."""

    def left() -> int:
        return sum(one.waiting + one.in_flight for one in stage.site.status().channels)

    stage.expect_soon(lambda: not left(), lambda: f"the end of {left()} messages", DRAIN_TIME)
    dead = stage.site.status().dead_letters
    stage.expect(not dead, f"{dead} messages became dead letters")
    check_presence(stage)
    stage.hold(ARRIVAL)


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
