"""Workers are killed during a measurement."""

from pathlib import Path

from labs.benchmarks.measuring.killing import killing
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.serving.site import Site
from labs.harness.waiting import wait_for


def test_workers_are_killed_and_replaced(tmp_path: Path) -> None:
    with Site(find_room("channels_workers"), Arrangement(workers=2), tmp_path) as site:
        before = list(site.workers)
        with killing(site, 0):
            assert site.workers == before
        with killing(site, 600):
            wait_for(lambda: not any(worker.is_running for worker in before), "both kills")
        assert len(site.workers) == 2
        assert all(worker.is_running for worker in site.workers)
