"""The soak: what it counts, and what it calls flat."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from labs.benchmarks.measuring.files import write
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.serving.site import Site
from labs.benchmarks.soaking.flat import FLAT, GROWS, SHORT, Trend, slope
from labs.benchmarks.soaking.plan import Plan
from labs.benchmarks.soaking.report import as_text
from labs.benchmarks.soaking.result import Result
from labs.benchmarks.soaking.run import follow, load_command, soak
from labs.harness.processes import Process

ROOM = find_room("channels_workers-soak")


def trend(*values: float, share: float = 0.02, allowance: float = 5.0) -> Trend:
    return Trend("memory", "KiB", [*enumerate(values)], share, allowance)


def sample(at: float, worker: float = 60_000.0, **more: Any) -> dict[str, Any]:
    role = {"worker 1": worker}
    steady = {"worker 1": 9}
    latency = {"p50_ms": 2.0, "p99_ms": 5.0}
    return {
        "at": at,
        "messages_per_s": 50.0,
        "latency": latency,
        "rss_kib": role,
        "files": steady,
        "threads": steady,
        "cpu_us": steady,
        "redis_kib": 2000.0,
        "redis_keys": 240,
        **more,
    }


def test_slopes() -> None:
    assert slope([]) == slope([(0.0, 1.0)]) == 0
    assert slope([(at, 3.0 * at) for at in range(9)]) == 3
    assert slope([(at, 3.0 * at + 1000 * (at == 4)) for at in range(9)]) == 3


def test_only_the_second_half_counts() -> None:
    warm_up = [100.0 * number for number in range(30)]
    assert trend(*warm_up, *[3000.0] * 31).verdict == FLAT
    assert trend(*[3000.0] * 30, *(3000.0 + 4 * number for number in range(31))).verdict == GROWS


def test_small_growth_peaks_and_shrinking_are_flat() -> None:
    assert trend(*(1000 + 0.1 * number for number in range(60))).verdict == FLAT
    assert trend(*(9000.0 if number % 7 == 0 else 1000.0 for number in range(60))).verdict == FLAT
    assert trend(*(1000.0 - number for number in range(60))).verdict == FLAT


def test_what_may_grow() -> None:
    grows = trend(*(1000.0 + number for number in range(60)))
    assert grows.growth == pytest.approx(29)
    assert (grows.verdict, grows.most) == (GROWS, pytest.approx(20.9, abs=0.1))
    assert replace(grows, share=0.03).verdict == FLAT
    assert replace(grows, allowance=30).verdict == FLAT


def test_a_few_samples_say_nothing() -> None:
    assert trend(*range(0, 19_000, 1000)).verdict == GROWS
    assert trend(*range(0, 17_000, 1000)).verdict == SHORT
    assert trend().verdict == SHORT


@pytest.mark.parametrize("grown", [0.0, 100.0])
def test_the_report(tmp_path: Path, grown: float) -> None:
    result = Result()
    for number in range(40):
        result.add({"sample": sample(10.0 * number, 60_000 + grown * number)})
    counts = {"sent": 9, "lost": int(grown)}
    result.add({"counts": counts, "visits": {"visits": 3, "missing": int(grown)}, "trouble": {}})
    conditions = {"server": "uvicorn", "machine": "a machine", "date": "today"}
    text = as_text(result, Plan(), conditions)
    verdict, lost = (GROWS, "lost 100, visits: missing 100") if grown else (FLAT, "nothing")
    assert f"Memory, files, threads and keys: {verdict}. Times: {FLAT}." in text
    assert f"Lost, repeated or out of order: {lost}." in text
    assert f"| worker 1: memory, KiB | {60_000 + 29.5 * grown:,.0f} | {19 * grown:,.0f} " in text
    assert "| visits: missing | " in text
    content = {"conditions": conditions, **vars(result)}
    *_, plot = write(tmp_path, "soak", "", content, "labs.benchmarks.soaking.plot")
    assert plot.read_text().startswith("<?xml")


def test_a_leak_is_not_flat(tmp_path: Path) -> None:
    room = replace(ROOM, settings="tests.labs.benchmarks.leaking_settings")
    plan = Plan(seconds=5, every=0.2, sockets=10, rooms=5, rate=200, visits=5)
    result = soak(room, "daphne", plan, tmp_path)
    assert result.is_complete
    assert result.errors == {}
    assert result.counts["received"] == 2 * result.counts["sent"] > 0
    assert result.visits["visits"] > result.visits["cut"] > 0
    assert result.verdict() == GROWS
    growing = {one.name for one in result.trends() if not one.is_time and one.verdict == GROWS}
    assert {"worker 1: memory", "worker 2: memory"} <= growing
    assert len(result.samples) == 25
    assert all(before["at"] < after["at"] for before, after in pairwise(result.samples))


def test_samples_are_kept_when_a_process_dies(tmp_path: Path) -> None:
    plan = Plan(seconds=600, every=0.2, sockets=4, rooms=2, rate=50, visits=0, patience=0.5)
    with (
        Site(ROOM, Arrangement(workers=2), tmp_path) as site,
        Process("load", load_command(site, plan), log=tmp_path / "load.log") as load,
    ):
        load.wait_for_line('^{"sample')
        site.workers[0].kill()
        result = follow(site, load, plan)
    assert (result.ended_early, result.is_complete) == ("worker ended", False)
    assert result.samples
    assert result.counts["sent"] > 0
