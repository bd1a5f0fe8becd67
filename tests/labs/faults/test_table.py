"""The table of a fault run, whose words need no legend."""

from pathlib import Path

from labs.faults.row import LABELS, Limits, Row
from labs.faults.table import COLUMNS, describe, heading, markdown
from labs.harness.report import write_markdown


def a_row(**counted: float) -> Row:
    row = Row("server-killed", Limits(seconds=5), said=14775, taken=120)
    for name, count in counted.items():
        row.add(name, count)
    return row


def test_the_heading_has_every_word_of_every_name() -> None:
    words = sorted(word for column in COLUMNS for word in column.name.split())
    assert sorted(heading().split()) == words


def test_cells_are_aligned_with_the_names() -> None:
    *_, last = heading().splitlines()
    row = describe(a_row())
    assert row.startswith("server-killed ")
    for name, cell in (("cut", "0+120"), ("disconnects", "0/0"), ("(s)", "0.00")):
        assert last.index(name) + len(name) == row.index(cell) + len(cell)
    assert row.endswith("all 0, 5 s                    ok")


def test_missed_targets_use_the_names_of_the_columns() -> None:
    row = a_row(twice=2, seconds=5.2)
    row.add("missing", ["a socket", "another"])
    lines = describe(row).splitlines()
    assert lines[0].endswith("MISSED")
    assert [line.strip() for line in lines[1:]] == [
        "missed: duplicated: 2, at most 0",
        "missed: missing disconnects: 2, at most 0",
        "missed: longest outage (s): 5.2, at most 5",
        "missing disconnects: a socket",
        "missing disconnects: another",
    ]


def test_limits_as_text() -> None:
    assert Limits().describe() == "all 0, 10 s"
    free = Limits(twice=None, wrong_sessions=None, seconds=None)
    assert free.describe() == "all 0 but duplicated, wrong sessions"


def test_each_limit_has_a_label() -> None:
    assert list(LABELS) == list(Limits.__dataclass_fields__)


def test_markdown(tmp_path: Path) -> None:
    file = tmp_path / "table.md"
    write_markdown(file, markdown([a_row()]), ["On this machine."])
    head, rule, row, *rest = file.read_text().splitlines()
    assert head == "| " + " | ".join(column.name for column in COLUMNS) + " |"
    assert rule == "|" + " --- |" * len(COLUMNS)
    assert row.startswith("| `server-killed` | 14775 | 0+120 | 0 |")
    assert row.endswith("| 0.00 | all 0, 5 s | ok |")
    assert rest == ["", "On this machine."]
