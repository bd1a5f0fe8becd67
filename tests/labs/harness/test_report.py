"""Output of runs for people, programs and the documentation."""

import json
from pathlib import Path

import pytest

from labs.harness.report import conditions, number, table, write_json, write_markdown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (1234.5, "1,234"),
        (99.94, "99.9"),
        (9.876, "9.88"),
        (0.5, "0.50"),
        (0.0123, "0.012"),
        (-0.5, "-0.50"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_tables() -> None:
    lines = ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    assert table(["a", "b"], [["1", "2"]]) == lines
    assert table(["a", "b"], [], numbers=True) == ["| a | b |", "| --- | ---: |"]


def test_cells_are_escaped() -> None:
    assert table(["a"], [["one | two\nthree"]])[-1] == r"| one \| two three |"


def test_report_files(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    write_json(file, {"name": "Ελένη"})
    assert "Ελένη" in file.read_text()
    assert json.loads(file.read_text()) == {"name": "Ελένη"}
    write_markdown(file, table(["a"], [["1"]]), ["today"])
    assert file.read_text() == "| a |\n| --- |\n| 1 |\n\ntoday\n"


def test_conditions_name_the_command_and_the_machine() -> None:
    first, second = conditions("scripts/rehearse", 61.4)
    assert first.endswith(", `scripts/rehearse`, 61 s.")
    assert "cores, " in second
