"""The walk command on both layers."""

import subprocess
import sys
from pathlib import Path

import pytest

from labs.harness.project import ROOT
from labs.walk.hops import HOPS, hop_begun_by
from labs.walk.recorder import Function
from labs.walk.report import BEGIN, END, write_into


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page into which the command writes."""
    path = tmp_path_factory.mktemp("walk") / "page.md"
    path.write_text(f"# Above\n\n{BEGIN}\nold\n{END}\n\nBelow\n")
    command = [sys.executable, "-m", "labs.walk", "--markdown", str(path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=240)
    return path.read_text()


def rows_of(page: str) -> dict[str, list[int]]:
    """The numbers in each row of the table: calls, files and functions for each layer."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {name: [int(cell) for cell in cells] for name, *cells in lines[2:]}


def test_every_hop_is_found_on_both_layers(page: str) -> None:
    rows = rows_of(page)
    assert list(rows) == [*HOPS, "in all"]
    assert all(number > 0 for row in rows.values() for number in row)


def test_calls_of_the_hops_add_up_to_all_calls(page: str) -> None:
    *hops, total = rows_of(page).values()
    for layer in (0, 3):
        assert sum(row[layer] for row in hops) == total[layer]


def test_a_frame_takes_at_most_a_hundred_calls(page: str) -> None:
    total = rows_of(page)["in all"]
    assert max(total[0], total[3]) <= 100, page


def test_a_hop_lists_its_functions_by_file(page: str) -> None:
    outline = page.partition("```\n")[2].partition("```")[0].splitlines()
    dispatch = outline[outline.index("dispatch") : outline.index("consumer")]
    assert any(
        line.startswith("  worker/dispatch.py: ") and "dispatch" in line for line in dispatch
    )
    assert not any("__main__" in line or "labs" in line for line in outline)


def test_the_rest_of_the_page_is_unchanged(page: str) -> None:
    assert page.startswith(f"# Above\n\n{BEGIN}\n")
    assert page.endswith(f"{END}\n\nBelow\n")
    assert "old" not in page


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"{END} {BEGIN}")
    with pytest.raises(ValueError, match="needs a line"):
        write_into(path, "text")
    assert path.read_text() == f"{END} {BEGIN}"


def test_a_function_starts_at_most_one_hop() -> None:
    assert hop_begun_by(Function("interface/socket.py", "Socket.receive")) == "socket"
    assert hop_begun_by(Function("interface/socket.py", "Socket.receive_all")) is None
