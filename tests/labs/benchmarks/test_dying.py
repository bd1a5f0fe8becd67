"""Figures after deaths and their report, and a worker and a server that are killed."""

from pathlib import Path

import pytest

from labs.benchmarks.dying.__main__ import figures_of, measure
from labs.benchmarks.dying.burners import busy
from labs.benchmarks.dying.figures import Death, Figures
from labs.benchmarks.dying.report import as_text
from labs.benchmarks.dying.servers import SOCKETS


def test_percentiles() -> None:
    found = Figures.of([number / 100 for number in range(100, 0, -1)])
    assert found == Figures(100, 0.5, 0.95, 0.99, 1.0)
    assert found.is_met
    assert Figures.of([0.5, 2.5]) == Figures(2, 0.5, 2.5, 2.5, 2.5)
    assert not Figures.of([0.5, 2.5]).is_met


def test_the_report() -> None:
    deaths = [Death((0.5, 0.7)), Death((0.6, 2.25))]
    text = as_text(figures_of("servers", deaths), {"commit": "abc"})
    missed = "MISSED: p99 2.25 s, at most 2"
    assert f"| the disconnect of a socket ran | 4 | 0.60 | 2.25 | 2.25 | 2.25 | {missed} |" in text
    assert f"| all disconnects of a server ran | 2 | 0.70 | 2.25 | 2.25 | 2.25 | {missed} |" in text
    text = as_text(figures_of("workers", [Death((0.5,))]), {"commit": "abc"})
    assert "| the message of a worker ran elsewhere | 1 | 0.50 | 0.50 | 0.50 | 0.50 | ok |" in text


def test_busy_cores(tmp_path: Path) -> None:
    with busy(frozenset({0}), tmp_path) as processes:
        (process,) = processes
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "Cpus_allowed_list:\t0\n" in status
        assert process.is_running
    assert not process.is_running


@pytest.mark.parametrize(("kind", "count"), [("workers", 1), ("servers", SOCKETS)])
def test_a_death_is_measured(kind: str, count: int, tmp_path: Path) -> None:
    (death,) = measure(kind, 1, tmp_path)
    assert len(death.after) == count
    assert all(seconds > 0 for seconds in death.after)
