"""Plays the acts, and checks what an operator would have seen."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labs.harness.crowd.plan import Plan
from labs.harness.crowd.traffic import Traffic
from labs.harness.report import say
from labs.harness.stage import Stage
from labs.harness.waiting import wait_for
from labs.monitoring.recording import Recording, record
from labs.monitoring.scenario import ACTS, Act
from labs.monitoring.site import DEPLOY, JOB, Site
from labs.monitoring.visitors import Visitor

#: The people in rooms, and how often each talks (s).
ROOMS, EACH, INTERVAL = 6, 5, 0.6

#: Panels without data if nothing goes wrong in their way, and why nothing does here.
SILENT: Mapping[str, str] = {}


def read_dashboard() -> dict[str, Any]:
    """Return the dashboard of ``deploy/``."""
    found: dict[str, Any] = json.loads((DEPLOY / "dashboard.json").read_text())
    return found


def play(folder: Path) -> Recording:
    """Play all acts on a new site, and return what Prometheus has recorded."""
    with Site(folder) as site:
        plan = Plan(tuple(server.socket_url for server in site.servers), ROOMS, EACH, INTERVAL)
        visitors = [Visitor(site.servers, path) for path in ("/orders/", "/reports/")]
        for visitor in visitors:
            visitor.start()
        with Traffic(folder, site.processes, plan) as traffic:
            wait_for(lambda: not site.prometheus.alerts(), "Prometheus to see that all is well")
            acts = tuple(_play_one(act, site, traffic) for act in ACTS)
            end = time.time()
            traffic.leave()
        for visitor in visitors:
            visitor.leave()
        return record(site.prometheus, read_dashboard(), acts, end, JOB)


def _play_one(act: Act, site: Site, traffic: Traffic) -> tuple[float, str]:
    start = time.time()
    say(f"{act.title} ...")
    act.happen(site, traffic)
    Stage.hold(act.rest)
    return start, act.title


def missing_alerts(recording: Recording) -> list[str]:
    """Return which alerts did not fire in the act that is about them."""
    fired, missing = recording.firing(), []
    ends = [*(at for at, _ in recording.acts[1:]), recording.end]
    for act, (start, _), end in zip(ACTS, recording.acts, ends, strict=True):
        missing += [
            f"{name} did not fire while {act.title}"
            for name in act.alerts
            if not any(start <= at <= end for at in fired.get(name, ()))
        ]
    return missing


def early_alerts(recording: Recording) -> list[str]:
    """Return which alerts fired although the site had no trouble yet."""
    calm = recording.acts[1][0]
    return [f"{name} fired in calm" for at, name in recording.beginnings() if at < calm]


def empty_queries(recording: Recording, dashboard: Mapping[str, Any]) -> list[str]:
    """Return which queries have no data, and which have although none was expected."""
    return list(_differences(recording, dashboard["panels"]))


def _differences(recording: Recording, panels: Sequence[Mapping[str, Any]]) -> Any:
    for panel in panels:
        for target in panel.get("targets", ()):
            has_data = any(one.samples for one in recording.series[target["expr"]])
            name = f"{panel['title']}: {target['legendFormat']}"
            if has_data == (name in SILENT):
                yield f"{name} has {'data' if has_data else 'no data'}"
