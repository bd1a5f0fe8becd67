"""An interface server is stopped gracefully."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from labs.faults.cases.server_killed import judge_disconnects
from labs.faults.fault import Fault
from labs.faults.stage import Stage
from labs.harness.crowd.transcript import Transcript
from labs.harness.server import Server

#: How long the disconnects of its sockets may take (s).
DISCONNECTS = 2.0

#: How many handshakes are attempted repeatedly while it stops.
AT_ONCE = 4


class ServerStopped(Fault):
    """SIGTERM to one of two interface servers, with handshakes in flight."""

    def __init__(self, kind: str) -> None:
        self.servers = (kind, kind)
        self.name = f"server-stopped-{kind}"  # type: ignore[misc]
        self.description = f"SIGTERM to an interface server, {kind}"  # type: ignore[misc]

    def inject(self, stage: Stage) -> None:
        """Stop it during handshakes."""
        victim = stage.site.servers[0]
        threads = [threading.Thread(target=knock, args=(victim,)) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        stage.expect_drops(victim)
        stage.count_from_now()
        since = time.monotonic()
        victim.process.terminate()
        stage.note(f"it ended after {time.monotonic() - since:.1f} s")
        for thread in threads:
            thread.join(10)
        stage.expect(not any(map(threading.Thread.is_alive, threads)), "a handshake hangs")

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check how long disconnects took, and whether each client got a close frame."""
        judge_disconnects(stage, transcript, DISCONNECTS)
        taken = [
            visit.code
            for person in transcript.people
            for visit in person.visits
            if visit.server in stage.dropping and visit.joined and visit.ended
        ]
        without = taken.count(None)
        stage.note(f"close codes {sorted({code for code in taken if code})}")
        stage.expect(not without, f"{without} of {len(taken)} clients got no close frame")


def knock(server: Server) -> None:
    """Open and close sockets until *server* accepts none any more."""
    while server.process.is_running:
        with suppress(WebSocketException, OSError, TimeoutError):
            connect(
                f"{server.socket_url}/room/door/?key=door", open_timeout=8, close_timeout=1
            ).close()
