"""The cost of @once: what is measured, the queries of a message, and the tables."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labs.benchmarks.committing.queries import queries_of
from labs.benchmarks.committing.report import as_text, share
from labs.benchmarks.committing.subjects import DATABASES, LOAD, ROOMS, measurements, subject
from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.files import RESULTS
from labs.benchmarks.measuring.measure import measure
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.measuring.subject import Measurement
from labs.benchmarks.serving.cores import ANY

ROUNDS = {"rows": 100.0, "rows-once": 70.0, "rows-async": 50.0, "rows-async-once": 20.0}
US = {"rows": 100.0, "rows-once": 150.0}


@pytest.mark.parametrize(
    ("room", "queries"),
    [
        ("rows", 1),
        ("rows-atomic", 3),
        ("rows-once", 5),
        ("rows-async", 1),
        ("rows-async-once", 5),
    ],
)
def test_the_queries_of_a_message(room: str, queries: int, tmp_path: Path) -> None:
    assert queries_of(room, tmp_path) == queries


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder with a short name, as sockets are in it, that the server's user can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_a_measurement(database: str, open_folder: Path) -> None:
    one = subject("rows-once", database)
    arrangement = replace(one.arrangement, cores=ANY)
    times = {"clients": 3, "seconds": 0.3, "warmup": 0.1, "settle": 0.1}
    measured = Measurement(replace(one, arrangement=arrangement, load=ANY), LOAD, LOAD, times)
    report = measure(measured, open_folder)
    assert report.counts["received"] == report.counts["expected"] > 0
    roles = {"client", "server", "worker", "redis"}
    assert set(report.cpu_us) == roles | ({"database"} if database == "PostgreSQL" else set())
    assert report.cpu_us["worker"] > 0


def test_each_room_is_measured_with_each_database() -> None:
    names = [one.subject.name for one in measurements(1.0, 0.1)]
    assert names == [f"{room}, {database}" for database in DATABASES for room in ROOMS]


def test_the_report() -> None:
    results = Results()
    for room, rate in ROUNDS.items():
        cpu = {"client": 9.0, "server": 50.0, "worker": US[room]} if room in US else {}
        report = Report(figures={"messages_per_s": rate}, cpu_us=cpu)
        results.add(Measurement(subject(room, "SQLite"), LOAD, LOAD), report)
    text = as_text(results, {"rows": 1, "rows-once": 5}, {"date": "today"})
    assert "| SQLite | plain | 100 | 1.00 | 100 |  | 150 | 1.00 | 1 | 0% |" in text
    assert "| SQLite | with `@once` | 70.0 | 0.70 | 150 |  | 200 | 0.75 | 5 | 0% |" in text
    assert "| with `@once`, SQLite | 0.70 | 0.6 | 0.8 | reached |" in text
    assert "| `async def`, with `@once`, SQLite | 0.40 | 0.6 | 0.8 | missed |" in text
    assert "| with `@once`, PostgreSQL |  | 0.6 | 0.8 | not measured |" in text
    assert "| SQLite | `async def`, plain | 50.0 | 1.00 |  |  |  |  |  | 0% |" in text
    assert share(results, "rows-atomic", "SQLite") is None


def test_the_results_in_the_docs_are_those_of_a_whole_run() -> None:
    content = json.loads((RESULTS / "once.json").read_text())
    assert content["conditions"]["all measured"] == "yes"
    assert set(content["queries"]) == set(ROOMS)
    text = (RESULTS / "once.md").read_text()
    assert "## Medians\n" in text
    assert "## Goals\n" in text
