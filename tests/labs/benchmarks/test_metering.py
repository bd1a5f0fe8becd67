"""The cost of metrics: what is measured, and the table."""

from dataclasses import replace
from pathlib import Path

from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.measure import measure
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.metering.__main__ import LOAD, OFF, ON, as_text, measurements
from labs.benchmarks.serving.cores import ANY


def test_both_rooms_take_turns() -> None:
    assert [one.subject.room for one in measurements(1.0, 0.1)] == [OFF, ON]


def test_a_measurement_with_metrics(tmp_path: Path) -> None:
    _, with_metrics = measurements(0.3, 0.1)
    subject = with_metrics.subject
    arrangement = replace(subject.arrangement, cores=ANY)
    times = {"clients": 3, "seconds": 0.3, "warmup": 0.1, "settle": 0.1}
    on_all = replace(subject, arrangement=arrangement, load=ANY)
    report = measure(replace(with_metrics, subject=on_all, options=times), tmp_path)
    assert report.counts["received"] == report.counts["expected"] > 0


def test_the_report() -> None:
    results = Results()
    for measurement, rate in zip(measurements(1.0, 0.1), (1000.0, 950.0), strict=True):
        results.add(measurement, Report(figures={"messages_per_s": rate}, cpu_us={"worker": 9.0}))
    text = as_text(results, {"seconds": 1.0})
    assert LOAD in {one.name for one in measurements(1.0, 0.1)}
    assert "0.95" in text
