"""Medians, ratios, goals and tables of known reports."""

from dataclasses import replace

import pytest

from labs.benchmarks.comparison.goal import Goal, figure, less, ratio, whole_flood
from labs.benchmarks.comparison.goals import GOALS
from labs.benchmarks.comparison.plan import FULL, QUICK, chosen, measurements, sized
from labs.benchmarks.comparison.report import as_text
from labs.benchmarks.comparison.subjects import OURS, on_one_core
from labs.benchmarks.load.report import Report, quantiles
from labs.benchmarks.measuring.results import Results, place_of, value_of
from labs.benchmarks.measuring.subject import Measurement

BARE = on_one_core("bare")


def results_of(*reports: tuple[Measurement, Report]) -> Results:
    results = Results()
    for measurement, report in reports:
        results.add(measurement, report)
    return results


def report(share: float = 0.5, errors: dict[str, int] | None = None, **figures: float) -> Report:
    return Report(
        figures=figures, counts=errors or {}, cpu={"client": share}, cpu_us={"server": 30.0}
    )


OURS_RTT50 = Measurement(OURS, "rtt50", "rtt50")
BARE_RTT50 = Measurement(BARE, "rtt50", "rtt50")

THREE = results_of(
    *((OURS_RTT50, report(messages_per_s=value)) for value in (30.0, 10.0, 20.0)),
    *((BARE_RTT50, report(messages_per_s=value)) for value in (80.0, 40.0, 60.0, 20.0)),
)

OURS_RATE = figure(OURS.name, "rtt50", "messages_per_s")
BARE_RATE = figure(BARE.name, "rtt50", "messages_per_s")
NOTHING = figure(OURS.name, "rtt1", "messages_per_s")


def test_medians() -> None:
    assert OURS_RATE(THREE) == 20
    assert BARE_RATE(THREE) == 50
    assert NOTHING(THREE) is None


def test_figures_of_a_role() -> None:
    one = report(messages_per_s=10.0, deliveries_per_s=100.0)
    one.memory = {"server": (1024, 3072)}
    names = ("cpu_us server", "cpu_us_per_delivery server", "mib server", "messages_per_s")
    assert [value_of(one, name) for name in names] == [30, 3, 3, 10]
    one.cpu_us |= {"worker": 20.0, "client": 9.0}
    assert (value_of(one, "cpu_us all"), value_of(one, "cpu_us_per_delivery all")) == (50, 5)
    assert value_of(Report(), "cpu_us all") is None
    del one.cpu_us["worker"]
    absent = ("cpu_us worker", "cpu_us_per_delivery worker", "mib worker", "p50_ms")
    assert [value_of(one, name) for name in absent] == [None] * 4


def test_medians_of_a_measurement() -> None:
    medians = THREE.medians(OURS.name, "rtt50")
    assert medians == {"messages_per_s": 20, "cpu_us server": 30}
    one = report(messages_per_s=10.0, deliveries_per_s=100.0)
    medians = results_of((OURS_RTT50, one)).medians(OURS.name, "rtt50")
    assert medians["cpu_us_per_delivery server"] == 3


def test_ratios() -> None:
    assert ratio(OURS_RATE, BARE_RATE)(THREE) == 0.4
    assert ratio(OURS_RATE, NOTHING)(THREE) is None
    assert ratio(NOTHING, OURS_RATE)(THREE) is None
    assert ratio(OURS_RATE, lambda results: 0.0)(THREE) is None
    assert less(OURS_RATE, 5)(THREE) == 15
    assert less(NOTHING, 5)(THREE) is None


@pytest.mark.parametrize(
    ("least", "aim", "is_lower", "verdict"),
    [
        (20, 21, False, "reached"),
        (19, 20, False, "aim"),
        (20.5, 30, False, "missed"),
        (20, None, False, "reached"),
        (20, 19, True, "reached"),
        (30, 20, True, "aim"),
        (19, 10, True, "missed"),
    ],
)
def test_verdicts(least: float, aim: float | None, is_lower: bool, verdict: str) -> None:
    assert Goal("", OURS_RATE, least, aim, is_lower).verdict(THREE) == verdict


def test_an_unmeasured_goal_is_not_reached() -> None:
    assert Goal("", NOTHING, 0, 0, is_lower=True).verdict(THREE) == "not measured"


def test_goals_as_text() -> None:
    goal = Goal("", NOTHING, 0.9, 1500)
    assert (goal.least_in_words, goal.aim_in_words) == ("0.9", "1,500")
    goal = replace(goal, is_lower=True, words="all")
    assert (goal.least_in_words, goal.aim_in_words) == ("all", "1,500 or less")
    assert replace(goal, aim=None).aim_in_words == ""
    shown = figure(OURS.name, "rtt50", "cpu_us all")
    assert replace(goal, shown=shown).measured(THREE) == ""
    assert replace(goal, value=OURS_RATE, shown=shown).measured(THREE) == "20.0 (30.0 us)"


@pytest.mark.parametrize("kind", ["lost", "duplicated", "out_of_order", "dropped"])
def test_a_flood_with_one_incomplete_repeat_counts_as_zero(kind: str) -> None:
    flood = Measurement(OURS, "flood", "flood")
    results = results_of((flood, report(messages_per_s=2000)))
    assert whole_flood(OURS.name)(results) == 2000
    results.add(flood, report(messages_per_s=2000, errors={kind: 1}))
    assert whole_flood(OURS.name)(results) == 0
    assert results.errors(OURS.name, "flood") == {kind: 1}


def test_each_goal_is_measured() -> None:
    """A goal for a figure outside the plan is never reached."""
    everything = Results()
    keys = ("messages_per_s", "deliveries_per_s", "p50_ms", "connects_per_s")
    keys += ("server_kib_per_socket", "requests_per_message", "redis_us_per_message")
    for measurement in measurements():
        everything.add(measurement, report(**dict.fromkeys(keys, 1.0)))
    assert [goal.what for goal in GOALS if goal.value(everything) is None] == []
    assert len({goal.what for goal in GOALS}) == len(GOALS)


def test_the_report_has_medians_ratios_goals_and_errors() -> None:
    results = results_of(
        (OURS_RTT50, report(messages_per_s=2000.0)),
        (BARE_RTT50, report(share=0.95, messages_per_s=10_000.0, deliveries_per_s=10_000.0)),
        (Measurement(BARE, "flood", "flood"), report(messages_per_s=50.0, errors={"lost": 3})),
    )
    results.fail(Measurement(OURS, "rtt1", "rtt1"), "it fell over\nand more")
    text = as_text(results, {"date": "today", "packages": {"django": "5"}})
    assert "| date | today |\n| packages | django 5 |" in text
    assert "| bare, daphne |  |  | 10,000+ |  |  |  |  | 50.0! | 0% |" in text
    assert "| channels_workers, daphne |  |  | 2,000 |  |  |  |  |  | 0% |" in text
    assert "* bare, daphne, flood: lost 3" in text
    assert "| bare, daphne |  |  | 0.20 |  |  |  |  |  |" in text
    assert "| bare, daphne: rtt50 | 0.95 | 95.0 |" in text
    assert "| bare, daphne | 30.0 |  |  | 30.0 | 1.00 |" in text
    assert "* channels_workers, daphne, rtt1: it fell over\n" in text
    assert "| bc1000 / limit, daphne |  | 0.9 | 1.05 | not measured |" in text


def test_names_select_measurements() -> None:
    assert {one.name for one in chosen(["rtt50"])} == {"rtt50"}
    assert {one.subject.room for one in chosen(["bare"])} == {"bare"}
    assert {one.subject.name for one in chosen(["bare, uvicorn"])} == {"bare, uvicorn"}
    assert chosen([]) == measurements()
    with pytest.raises(ValueError, match=r"Expected what can be measured, got 'rtt2'; there are: "):
        chosen(["rtt2", "rtt50"])


def test_each_measurement_has_its_own_folder() -> None:
    places = [place_of(one) for one in measurements()]
    assert len(set(places)) == len(places)


def test_sizes() -> None:
    few, many = (Measurement(OURS, "x", "bc100", {"clients": count}) for count in (100, 10_000))
    assert sized(few, QUICK).options["seconds"] == QUICK.seconds
    assert sized(many, QUICK).options["seconds"] > QUICK.seconds
    assert sized(many, FULL).options["clients"] == 10_000
    looks = replace(few, counts_requests=True)
    assert sized(looks, FULL).options["settle"] == FULL.quiet
    flood = Measurement(OURS, "flood", "flood")
    assert sized(flood, FULL) == flood


def test_quantiles() -> None:
    assert quantiles([]) == {}
    milliseconds = [number / 1000 for number in range(100, 0, -1)]
    found = quantiles(milliseconds)
    assert found == {"p50_ms": 51, "p95_ms": 96, "p99_ms": 100, "max_ms": 100}


def test_the_comparison_reports_all_that_it_measures() -> None:
    results = Results()
    for measurement in measurements():
        kind = "connects" if measurement.mode == "connect" else "messages"
        figures = {f"{kind}_per_s": 10.0}
        if kind == "messages":
            figures |= {"deliveries_per_s": 20.0, "p50_ms": 1.0}
        cpu = {"server": 2.0, "client": 1.0}
        results.add(measurement, Report(figures, cpu={"client": 0.5}, cpu_us=cpu))
    text = as_text(results, {"machine": "one"})
    for measurement in measurements():
        assert measurement.subject.name in text
    assert "KiB per idle browser" in text
    assert "channels_workers, uvicorn: bc1000-deflate" in text
