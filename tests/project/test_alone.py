"""What becomes of tests that fail beside others."""

import os
import subprocess
import sys
from pathlib import Path

from labs.harness.project import ROOT

BESIDE = "import os\nBESIDE = 'PYTEST_XDIST_WORKER' in os.environ\n"
UNSTEADY = f"{BESIDE}def test_one(): assert not BESIDE\ndef test_other(): pass\n"
NOT_IMPORTED = f"{BESIDE}assert not BESIDE\ndef test_late(): pass\n"
BROKEN = f"{BESIDE}assert not BESIDE\ndef test_late(): assert BESIDE\n"
CRASHES = f"{BESIDE}def test_one(): assert not BESIDE or os._exit(1)\ndef test_other(): pass\n"


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    found = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return found.returncode, found.stdout + found.stderr


def first(folder: Path, *arguments: str, **files: str) -> tuple[int, str]:
    """Run these files beside each other."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    options = (
        "--cache-clear",
        "-p",
        "tests.alone",
        "-p",
        "xdist",
        "--numprocesses=1",
        "--dist=loadfile",
    )
    return run(folder, "pytest", *options, *arguments)


def alone(folder: Path) -> tuple[int, str]:
    return run(folder, "tests.alone")


def test_what_passes_alone_is_named(tmp_path: Path) -> None:
    status, output = first(tmp_path, a=UNSTEADY, b=NOT_IMPORTED)
    assert status == 1, output
    status, output = alone(tmp_path)
    assert status == 0, output
    assert "2 passed" in output
    assert output.split("Mend them:\n")[1].split() == ["test_b.py", "test_a.py::test_one"]


def test_what_fails_again_fails(tmp_path: Path) -> None:
    assert first(tmp_path, a=UNSTEADY, b=BROKEN)[0] == 1
    status, output = alone(tmp_path)
    assert status == 1
    assert "1 failed, 1 passed" in output
    assert "UNSTEADY" not in output


def test_many_do_not_run_again(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_one(n): assert 0\n"
    assert first(tmp_path, a=text)[0] == 1
    assert alone(tmp_path) == (1, "")


def test_a_run_that_left_tests_out_was_interrupted(tmp_path: Path) -> None:
    status, output = first(tmp_path, "--max-worker-restart=0", a=CRASHES)
    assert status == 2, output
    assert "Tests that have not run: 1" in output
