"""There is no worker for a while."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.site import WORKER_READY

#: HANDSHAKE_TIMEOUT is 4 s unless set; how much longer a refusal may take (s).
TIMEOUT, GRACE = 4.0, 2.0


class NoWorker(Fault):
    """All workers end; handshakes are tried; workers come back."""

    name = "no-worker"
    description = "no worker for 60 s (quick: 5 s), with handshakes meanwhile"
    limits = Limits(seconds=30)
    patience = 60.0

    def harm(self, stage: Stage) -> None:
        """Stop all of them, and start as many."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda worker: worker.terminate(), stage.site.workers))
            since = time.monotonic()
            urls = [f"{server.socket_url}/room/late/" for server in stage.site.servers]
            answers = list(pool.map(handshake, urls))
        for status, seconds in answers:
            refused = f"a handshake was answered by {status} after {seconds:.1f} s"
            stage.expect(status == 403 and seconds < TIMEOUT + GRACE, refused)
        stage.last(stage.size.choose(60, 5) - (time.monotonic() - since))
        stage.count_from_now()
        stage.site.replace_dead_workers()
        for worker in stage.site.workers:
            worker.wait_for_line(WORKER_READY)


def handshake(url: str) -> tuple[int, float]:
    """Try one; return the HTTP status (101: it was accepted) and the time it took (s)."""
    since = time.monotonic()
    try:
        connect(url, open_timeout=30).close()
    except InvalidStatus as refused:
        return refused.response.status_code, time.monotonic() - since
    return 101, time.monotonic() - since
