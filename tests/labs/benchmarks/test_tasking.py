"""Tasks beside Celery and dramatiq: what is read, counted and written."""

from dataclasses import replace
from pathlib import Path

from labs.benchmarks.runners.diary import BEGUN, ENDED, LINE
from labs.benchmarks.tasking.diary import read
from labs.benchmarks.tasking.report import as_text
from labs.benchmarks.tasking.results import Results
from labs.benchmarks.tasking.series import QUICK, steps
from labs.benchmarks.tasking.site import RunnerSite
from labs.benchmarks.tasking.subjects import MEASUREMENTS, SUBJECTS, subjects_of

NAMES = [subject.name for subject in SUBJECTS]


def test_a_diary_that_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "diary"
    assert not read(file).ended
    lines = [(BEGUN, 1, 1.0), (BEGUN, 1, 2.0), (ENDED, 1, 3.0), (ENDED, 1, 4.0), (BEGUN, 2, 5.0)]
    file.write_bytes(b"".join(LINE.pack(*line) for line in lines) + LINE.pack(*lines[0])[:-1])
    runs = read(file)
    assert (runs.begun, runs.ended, runs.first_end) == ({1: 2, 2: 1}, {1: 2}, {1: 3.0})


def test_medians_and_spread() -> None:
    results = Results()
    for value in (10.0, 30.0, 20.0):
        results.add("rate", "celery", {"tasks_per_s": value})
    assert results.median("rate", "celery", "tasks_per_s") == 20
    assert results.median("rate", "dramatiq", "tasks_per_s") is None
    assert results.spread("rate", "celery", "tasks_per_s") == 1
    assert results.spread("rate", "dramatiq", "tasks_per_s") == 0


def test_each_subject_is_measured_and_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {one.name for name in MEASUREMENTS for one in subjects_of(name)} == set(NAMES)


def test_what_is_measured_together() -> None:
    size = replace(QUICK, repeats=2)
    found = steps(size, ["latency", "celery, processes"])
    names = [(measurement, len(subjects)) for measurement, subjects in found]
    all_of_latency = len(subjects_of("latency"))
    assert names == [("latency", all_of_latency), ("rate", 1), ("rate", 1), ("killed", 1)]


def test_a_report_has_only_what_was_measured() -> None:
    results = Results()
    results.add("rate", "celery, threads", {"tasks_per_s": 1_234.5, "sent_per_s": 987.6})
    results.failures.append("killed: no worker")
    lines = as_text(results, {"date": "today"}).splitlines()
    assert "| celery, threads | 1,234 | 988 | 0% |" in lines
    assert [line for line in lines if line.startswith("## ")] == [
        "## Rate",
        "## Settings",
        "## Not measured",
    ]


def test_counts_are_whole_numbers() -> None:
    results = Results()
    keys = ("enqueued", "ended", "lost", "waiting", "begun_again", "ended_twice")
    counts = dict.fromkeys(keys, 3.0)
    results.add("killed", "channels_workers, SQLite", {**counts, "seconds": 6.25})
    assert "| channels_workers, SQLite | 3 | 3 | 3 | 3 | 3 | 3 | 6.25 |" in as_text(results, {})


def test_a_worker_of_ours_runs_what_the_client_enqueues(tmp_path: Path) -> None:
    (subject,) = (one for one in SUBJECTS if one.name == "channels_workers, SQLite")
    with RunnerSite(tmp_path, subject) as site:
        sent = site.client.enqueue("hold", 7, 2, 0.0)
        assert site.waiting() == 2
        site.start_worker()
        site.wait_for_lines(4)
        runs = site.runs()
    assert (runs.begun, runs.ended) == ({7: 1, 8: 1}, {7: 1, 8: 1})
    assert sent.began < runs.first_end[7]
