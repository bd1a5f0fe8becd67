"""Runs one fault and returns its row."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from labs.faults import endings
from labs.faults.deaths import expect_deaths
from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.leftovers import ghosts, leftovers
from labs.faults.row import Row
from labs.faults.site import ENGINE, Site
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.traffic import Traffic
from labs.harness.waiting import wait_for

#: How long the load runs before the fault, and how long the last disconnects may take (s).
BEFORE, LAST = 3.0, 20.0

#: Time-out until Redis has no leftovers (s).
CLEAN = 5.0


def try_fault(fault: Fault, size: Size, folder: Path, engine: Path = ENGINE) -> Row:
    """Run a fault under load, and return its row."""
    since = time.monotonic()
    row = Row(fault.name, fault.limits)
    try:
        with fault.site(folder, engine) as site:
            _play(fault, size, site, row)
    except Exception as error:  # noqa: BLE001  (a row that cannot be counted is missed)
        row.broken = True
        row.failures.append(f"{type(error).__name__}: {error}"[:1500])
    row.took = time.monotonic() - since
    return row


def _play(fault: Fault, size: Size, site: Site, row: Row) -> None:
    plan = fault.plan(tuple(server.socket_url for server in site.servers), size)
    with Traffic(site.folder, site.processes, plan) as traffic:
        stage = Stage(site, traffic, size, row)
        traffic.wait_until_calm(30)
        stage.hold(BEFORE)
        fault.inject(stage)
        stage.expect(traffic.wait_until_calm(fault.calm_timeout), f"no calm: {traffic.status()}")
        stage.expect(traffic.fall_silent(10), f"not all came back: {traffic.status()}")
        fault.check(stage)
        _expect_none(stage, ghosts, "are left of servers that are gone")
        transcript = traffic.leave()
        _wait_for_disconnects(site)
        _expect_none(stage, leftovers, "are left of sockets that are gone")
        for facts in fault.find(stage, transcript):
            for item in fields(facts):
                row.add(item.name, getattr(facts, item.name))
        row.dropped, row.taken = stage.drops(transcript)
        expect_deaths(stage, fault.deaths)
        fault.judge(stage, transcript)


def _expect_none(stage: Stage, find: Callable[[Site], list[str]], what: str) -> None:
    """Wait until *find* finds nothing in Redis. Otherwise a missed target."""

    def say() -> str:
        found = find(stage.site)
        return f"no keys; {len(found)} {what}, such as {', '.join(found[:3])}"

    stage.expect_soon(lambda: not find(stage.site), say, CLEAN)


def _wait_for_disconnects(site: Site) -> None:
    deadline = time.monotonic() + LAST

    def is_done() -> bool:
        runs = read_runs(site.folder)
        living = {worker.pid for worker in site.workers if worker.is_running}
        running = any(run.after is None and run.process in living for run in runs)
        return not (running or endings.unpaired(runs)) or time.monotonic() > deadline

    wait_for(is_done, "the last disconnects", LAST + 60)
