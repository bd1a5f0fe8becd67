"""Adding up coverage of files per package, and the floors."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labs.coverage.floors import FLOORS
from labs.coverage.packages import add_up, markdown
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT


def report(**files: tuple[int, int, int, int]) -> dict[str, Any]:
    """A coverage report: for each file its lines and branches, total and covered."""
    keys = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    return {
        "files": {
            file: {"summary": dict(zip(keys, counts, strict=True))}
            for file, counts in files.items()
        }
    }


def test_a_file_belongs_to_the_longest_matching_path() -> None:
    found = report(**{"a/one.py": (10, 9, 2, 1), "a/b/two.py": (4, 4, 0, 0)})
    outer, inner = add_up(found, {"a/": 80, "a/b/": 100})
    assert (outer.lines, inner.lines) == (10, 4)
    assert round(outer.percent, 2) == 83.33
    assert not outer.is_too_low
    assert not inner.is_too_low


def test_a_package_below_its_floor_is_marked() -> None:
    packages = add_up(report(**{"a/one.py": (100, 89, 0, 0)}), {"a/": 90})
    assert packages[0].is_too_low
    assert "| `a/` | 89 of 100 | 0 of 0 | **89.0 %** | 90 % |" in markdown(packages)


def test_a_file_without_a_package_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"b/one\.py is in no package"):
        add_up(report(**{"b/one.py": (1, 1, 0, 0)}), {"a/": 90})


@pytest.mark.parametrize("path", FLOORS)
def test_each_floor_names_a_folder(path: str) -> None:
    assert (ROOT / path).is_dir()
    assert 0 < FLOORS[path] <= 100


@pytest.mark.parametrize(("options", "status"), [((), 1), (("--no-floors",), 0)])
def test_the_command_fails_below_a_floor(
    options: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report(**{"chat/one.py": (100, 1, 0, 0)})))
    summary = tmp_path / "summary.md"
    result = subprocess.run(
        [sys.executable, "-m", "labs.coverage", file, "--markdown", summary, *options],
        cwd=ROOT,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == status, result.stderr
    assert ("chat/" in result.stderr) is bool(status)
    assert summary.read_text() == result.stdout
