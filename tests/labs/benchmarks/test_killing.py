"""Workers are killed during a measurement."""

from pathlib import Path

import pytest

from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.killing import Killer, killing
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.serving.site import Site
from labs.harness.waiting import wait_for


def test_workers_are_killed_and_replaced(tmp_path: Path) -> None:
    with Site(find_room("channels_workers"), Arrangement(workers=2), tmp_path) as site:
        before = list(site.workers)
        with killing(site, 0):
            assert site.workers == before
        with Killer(site, 600, opening=0) as killer:
            wait_for(lambda: not any(worker.is_running for worker in before), "both kills")
        assert len(killer.times) >= 2
        assert len(site.workers) == 2
        assert all(worker.is_running for worker in site.workers)
    report = Report(window=(killer.times[0], killer.times[0] + 30))
    killer.times[1:] = [killer.times[0] + 29, killer.times[0] + 31]
    killer.report(report)
    assert report.figures["kills_per_minute"] == pytest.approx(4)
