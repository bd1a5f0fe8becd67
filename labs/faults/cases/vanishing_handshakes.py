"""Clients that disconnect during their handshake."""

from __future__ import annotations

import socket
from itertools import cycle

from labs.faults.fault import Fault
from labs.faults.stage import Stage
from labs.harness.raw_socket import handshake
from labs.harness.server import Server
from labs.harness.waiting import wait_for

#: How long clients wait before they leave (s), in turn.
WAITS = (0.0, 0.001, 0.003, 0.01, 0.03)


class VanishingHandshakes(Fault):
    """Each opens a connection, requests a socket, and leaves."""

    name = "vanishing-handshakes"
    description = "clients leave in the middle of their handshake, 200 times"

    def inject(self, stage: Stage) -> None:
        """Let them come and go."""
        stage.count_from_now()
        servers = cycle(stage.site.servers)
        for number, wait in zip(range(200), cycle(WAITS), strict=False):
            self.vanish(next(servers), number, stage, wait)

    def vanish(self, server: Server, number: int, stage: Stage, wait: float) -> None:
        """Request a socket from *server* and leave after *wait* (s)."""
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(handshake(server.port, f"/room/door/?key=door{number}"))
            stage.hold(wait)

    def check(self, stage: Stage) -> None:
        """Look for records of disconnected clients."""
        joined = stage.traffic.status().joined
        wait_for(
            lambda: stage.records() == joined,
            lambda: f"{joined} records; there are {stage.records()}",
            10,
        )
