"""The site that is watched, with the rules and the job of ``deploy/``."""

import subprocess
from pathlib import Path

from labs.harness.waiting import wait_for
from labs.monitoring.scenario import ACTS
from labs.monitoring.site import DEPLOY, SERVERS, WORKERS, Site, quick
from tests.deploy.monitoring.test_alerts import RULES


def test_quick_rules_wait_and_look_back_less(tmp_path: Path) -> None:
    made = quick("for: 10m\nrate(a[5m]) for: 30s")
    assert made == "for: 30s\nrate(a[15s]) for: 2s"
    file = tmp_path / "alerts.yaml"
    file.write_text(quick((DEPLOY / "alerts.yaml").read_text()))
    subprocess.run(["promtool", "check", "rules", file], check=True, capture_output=True)


def test_acts_are_about_alerts_that_exist() -> None:
    assert {name for act in ACTS for name in act.alerts} <= set(RULES)


def test_prometheus_scrapes_each_process_by_its_name(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        query = "channels_workers_process_info"
        wanted = len(SERVERS) + WORKERS
        wait_for(lambda: len(site.prometheus.query(query)) == wanted, "a scrape of all")
        found = {one.labels["instance"]: one.labels["role"] for one in site.prometheus.query(query)}
        assert found == {
            **{f"web-{number}": "server" for number in range(1, len(SERVERS) + 1)},
            **{f"worker-{number}": "worker" for number in range(1, WORKERS + 1)},
        }
