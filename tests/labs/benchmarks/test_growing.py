"""The axes of growth: their plan and their tables."""

import pytest

from labs.benchmarks.growing.__main__ import shortened, timed
from labs.benchmarks.growing.axes import AXES, chosen
from labs.benchmarks.growing.report import as_lines, as_text
from labs.benchmarks.load.modes import MODES, adapt
from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.results import Results, place_of


def test_each_value_has_its_own_folder() -> None:
    places = [place_of(one) for axis in AXES for one in axis.measurements()]
    assert len(set(places)) == len(places)


def test_each_load_is_valid() -> None:
    for axis in AXES:
        for one in axis.measurements():
            assert adapt(MODES[one.mode], **one.options)


def test_names_select_axes() -> None:
    assert [axis.name for axis in chosen(["room"])] == ["room"]
    assert chosen([]) == list(AXES)
    with pytest.raises(ValueError, match=r"Expected what can grow, got 'time'; there are: room, "):
        chosen(["time"])


def test_a_quick_run_measures_less() -> None:
    (axis,) = shortened(chosen(["room"]))
    assert axis.values == (100, 300, 1_000)
    (opening,) = chosen(["memory-bare-daphne"])
    assert timed(axis.at(100), 0.5).options["seconds"] == 0.5
    assert timed(axis.at(100), None) == axis.at(100)
    assert timed(opening.at(100), 0.5) == opening.at(100)


def test_tables_and_lines() -> None:
    (axis,) = shortened(chosen(["servers"]))
    results = Results()
    for servers in (1, 2):
        report = Report(
            figures={"messages_per_s": 100.0 / servers, "deliveries_per_s": 1000.0, "p50_ms": 5.0},
            cpu_us={"server": 400.0, "worker": 20.0},
            counts={"lost": servers - 1},
        )
        results.add(axis.at(servers), report)
    results.fail(axis.at(3), "it fell over")
    text = as_text([axis], results, {"date": "today"})
    assert "| 1 | 100 | 5.00 | 400 | 20.0 |  | 40.0 |  |  |" in text
    assert "| 2 | 50.0 | 5.00 | 400 | 20.0 |  | 20.0 |  | lost 1 |" in text
    assert "| 3 |  |  |  |  |  |  |  | not measured |" in text
    (lines,) = as_lines([axis], results)
    assert lines["values"] == (1, 2, 3, 4)
    assert lines["lines"]["cpu_us server"] == [400, 400, None, None]
