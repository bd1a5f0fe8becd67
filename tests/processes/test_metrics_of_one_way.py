"""The parts of a message's way, as an interface server and a worker measure them, add up.

The server measures from the arrival of a frame to the news that it is finished by one clock. The
parts are measured by two processes against the clock of Redis.
"""

import pytest
from websockets.sync.client import connect

from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker
from tests.processes.metered import WORK
from tests.processes.scrapes import Metrics, Samples, start_metered, start_metered_worker

FRAMES = 25

#: How well the clock of Redis is to be known before it begins (s).
MOST_ERROR = 0.02

#: What no part has, on average (s): the steps of the worker between the parts, also while the
#: machine does other things.
UNMEASURED = 0.02

RECEIVE = "websocket.receive"
CONSUMER = "tests.processes.metered.receive"

#: The parts of the way by name: the process, and the histogram.
PARTS = {
    "wait": ("server", "frame_wait_seconds", {}),
    "queue": ("worker", "queue_wait_seconds", {"channel": RECEIVE}),
    "run": ("worker", "run_seconds", {"consumer": CONSUMER}),
    "commit": ("worker", "commit_seconds", {}),
    "delivery": ("server", "commit_to_frame_seconds", {}),
    "all": ("server", "frame_to_commit_seconds", {}),
}


class Way:
    """Counts and sums of the parts since it was made."""

    def __init__(self, server: Metrics, worker: Metrics) -> None:
        self.metrics = {"server": server, "worker": worker}
        self.before = self.samples()

    def samples(self) -> dict[str, Samples]:
        return {name: each.samples() for name, each in self.metrics.items()}

    def all(self, suffix: str) -> dict[str, float]:
        """What was added to each part; *suffix* is `count` or `sum`."""
        now, found = self.samples(), {}
        for part, (process, name, labels) in PARTS.items():
            key = (f"{name}_{suffix}", *sorted(labels.items()))
            found[part] = now[process].get(key, 0.0) - self.before[process].get(key, 0.0)
        return found


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_the_parts_of_the_way_add_up(
    kind: str, start_web: StartWeb, start_worker: StartWorker
) -> None:
    _, of_worker = start_metered_worker(start_worker)
    server, of_server = start_metered(start_web, kind)
    with connect(f"{server.socket_url}/", open_timeout=60, ping_interval=None) as client:
        for metrics in (of_server, of_worker):
            wait_for(
                lambda each=metrics: 0 < each.value("clock_error_seconds") < MOST_ERROR, "its clock"
            )
        of_worker.until({"commit_seconds_count": 1})  # the connect
        way = Way(of_server, of_worker)
        for _ in range(FRAMES):
            client.send("work")
        assert [client.recv(60) for _ in range(FRAMES)] == ["work"] * FRAMES
        wait_for(
            lambda: set(way.all("count").values()) == {FRAMES},
            lambda: f"{FRAMES} of each; they are {way.all('count')}",
        )
        sums = way.all("sum")
        error = of_server.value("clock_error_seconds") + of_worker.value("clock_error_seconds")
    whole, parts = sums.pop("all"), sum(sums.values())
    assert sums["run"] >= FRAMES * WORK
    assert sums["wait"] >= FRAMES * (FRAMES - 1) / 2 * WORK  # behind those before it
    # Of these, none begins before the one in front of it has ended.
    assert sums["queue"] + sums["run"] + sums["delivery"] <= whole + FRAMES * error
    assert abs(whole - parts) <= FRAMES * (error + UNMEASURED), (whole, sums)
