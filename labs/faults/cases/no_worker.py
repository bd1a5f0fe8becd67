"""No worker runs for a while."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.site import WORKER_READY

#: HANDSHAKE_TIMEOUT is 4 s by default. A refusal may take this much longer (s).
TIMEOUT, GRACE = 4.0, 2.0


class NoWorker(Fault):
    """All workers stop, handshakes are attempted, workers return."""

    name = "no-worker"
    description = "no worker for 60 s (quick: 5 s), with handshakes meanwhile"
    limits = Limits(seconds=30)
    calm_timeout = 60.0

    def inject(self, stage: Stage) -> None:
        """Stop all of them, and start as many."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda worker: worker.terminate(), stage.site.workers))
            since = time.monotonic()
            urls = [f"{server.socket_url}/room/late/" for server in stage.site.servers]
            answers = list(pool.map(handshake, urls))
        for status, seconds in answers:
            refused = f"a handshake was answered by {status} after {seconds:.1f} s"
            stage.expect(status == 403 and seconds < TIMEOUT + GRACE, refused)
        stage.hold(stage.size.choose(60, 5) - (time.monotonic() - since))
        stage.count_from_now()
        stage.site.replace_dead_workers()
        for worker in stage.site.workers:
            worker.wait_for_line(WORKER_READY)


def handshake(url: str) -> tuple[int, float]:
    """Attempt one. Returns the HTTP status (101: accepted) and its duration (s)."""
    since = time.monotonic()
    try:
        connect(url, open_timeout=30).close()
    except InvalidStatus as refused:
        return refused.response.status_code, time.monotonic() - since
    return 101, time.monotonic() - since
