"""One measurement from start to end, and its files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.conditions import as_markdown, conditions
from labs.benchmarks.measuring.files import write
from labs.benchmarks.measuring.measure import Failed, load_command, measure
from labs.benchmarks.measuring.series import measure_all
from labs.benchmarks.measuring.subject import Measurement, Subject
from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import ANY

BARE = Subject("bare, uvicorn", "bare", Arrangement(server="uvicorn"), load=ANY)
OURS = Subject("ours", "channels_workers", Arrangement(servers=2, workers=2), load=ANY)


def test_a_flood(tmp_path: Path) -> None:
    report = measure(Measurement(BARE, "flood", "flood", {"messages": 50}), tmp_path)
    assert report.counts["received"] == 50
    assert report.figures["messages_per_s"] > 0
    assert list(tmp_path.iterdir()) == []


def test_requests_to_redis_are_counted(tmp_path: Path) -> None:
    times = {"seconds": 0.5, "warmup": 0.2, "settle": 0.5}
    measurement = Measurement(
        OURS, "requests", "bc100", {"clients": 10, **times}, counts_requests=True, times_redis=True
    )
    report = measure(measurement, tmp_path)
    assert report.counts["received"] == report.counts["expected"] > 0
    assert report.figures["requests_per_message"] > 0
    assert report.figures["redis_us_per_message"] > 0
    assert set(report.cpu_us) == {"client", "server", "worker", "redis"}


def test_a_failed_measurement_keeps_its_logs(tmp_path: Path) -> None:
    subject = replace(BARE, arrangement=Arrangement(servers=2))
    with pytest.raises(Failed, match="bare, uvicorn, flood: bare has no layer between servers"):
        measure(Measurement(subject, "flood", "flood"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_load_without_a_result(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"(?s)bare, uvicorn, flood: .*Flood has no 'rooms'"):
        measure(Measurement(BARE, "flood", "flood", {"rooms": 2}), tmp_path)


def test_the_command_of_a_load() -> None:
    site = {
        "urls": ["ws://127.0.0.1:1", "ws://127.0.0.1:2"],
        "pids": {"server": [3, 4], "worker": [], "redis": [5]},
        "visit": True,
        "protocol": "plain",
    }
    command = load_command(site, "rtt1", {"at_once": 2})
    assert command[command.index("rtt1") :] == [
        "rtt1",
        *("--url", "ws://127.0.0.1:1", "--url", "ws://127.0.0.1:2"),
        *("--watch", "server:3", "--watch", "server:4", "--watch", "redis:5"),
        *("--protocol", "plain", "--at-once", "2", "--visit"),
    ]


def test_a_subject_is_an_existing_room() -> None:
    with pytest.raises(ValueError, match="Expected the name of a room, got 'channels5'"):
        Subject("none", "channels5", Arrangement())


def test_conditions() -> None:
    given = conditions("labs/benchmarks/compare", ["--only", "bare, daphne"])
    assert given["command"] == "labs/benchmarks/compare --only 'bare, daphne'"
    assert given["packages"]["channels"]
    text = "\n".join(as_markdown(given))
    assert "| command | `labs/benchmarks/compare --only 'bare, daphne'` |" in text
    assert f"| redis-server | {given['redis-server']} |" in text


def test_result_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labs.benchmarks.measuring.files.find_spec", lambda name: None)
    folder = tmp_path / "new" / "folder"
    files = write(folder, "compare", "# Text\n", {"a": 1}, "no.plot")
    assert [file.name for file in files] == ["compare.md", "compare.json"]
    assert (folder / "compare.md").read_text() == "# Text\n"
    assert json.loads((folder / "compare.json").read_text()) == {"a": 1}


@pytest.mark.parametrize("name", ["comparison", "growing"])
def test_plots(tmp_path: Path, name: str) -> None:
    axis = {"title": "t", "unit": "u", "values": [1, 2], "lines": {"cpu_us server": [1.0, None]}}
    medians = {"p50_ms": 2.0, "cpu_us server": 3.0}
    measured = {"subject": "bare, daphne", "measurement": "rtt50", "medians": medians}
    conditions = {"machine": "a machine", "date": "today"}
    content = {"conditions": conditions, "measurements": [measured], "axes": [axis]}
    *_, plot = write(tmp_path, "plot", "", content, f"labs.benchmarks.{name}.plot")
    assert plot.suffix == ".svg"
    assert plot.read_text().startswith("<?xml")


def test_results_before_an_interrupt_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([Report(figures={"messages_per_s": 1.0}), Failed("why"), KeyboardInterrupt()])

    def answer(measurement: Measurement, folder: Path) -> Report:
        given = next(answers)
        if isinstance(given, BaseException):
            raise given
        return given

    monkeypatch.setattr("labs.benchmarks.measuring.series.measure", answer)
    measurements = [Measurement(BARE, name, "flood") for name in ("a", "b", "c", "d")]
    results = measure_all(measurements, 1, tmp_path)
    assert results.is_interrupted
    assert not results.is_complete
    assert results.median(BARE.name, "a", "messages_per_s") == 1
    assert results.failures == {(BARE.name, "b"): ["why"]}
