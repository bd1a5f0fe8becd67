"""How commands of the labs end."""

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from labs.harness.command import BAD, GOOD, INTERRUPTED, MISUSED, run_command


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def raising(error: BaseException) -> Callable[[Path], int]:
    def run(folder: Path) -> int:
        (folder / "log").write_text("said")
        raise error

    return run


def test_the_folder_is_deleted_after_success(temporary: Path) -> None:
    assert run_command("lab", lambda folder: GOOD) == GOOD
    assert not [*temporary.iterdir()]


def test_logs_stay_after_a_failure(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("lab", lambda folder: BAD) == BAD
    (folder,) = temporary.glob("lab-*")
    assert f"The logs of all processes are in {folder}" in capsys.readouterr().out


def test_an_unknown_name_leaves_nothing_behind(
    temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("lab", raising(ValueError("Expected another"))) == MISUSED
    assert capsys.readouterr().out == "Expected another\n"
    assert not [*temporary.iterdir()]


def test_a_failure_is_printed_and_its_logs_stay(
    temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("lab", raising(RuntimeError("no database"))) == BAD
    assert capsys.readouterr().out.startswith("no database\n")
    assert [*temporary.glob("lab-*/log")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_cause_an_orderly_exit(number: signal.Signals) -> None:
    def run(folder: Path) -> int:
        os.kill(os.getpid(), number)
        raise AssertionError("It was not interrupted.")

    before = signal.getsignal(number)
    assert run_command("lab", run) == INTERRUPTED
    assert signal.getsignal(number) == before


def test_the_folder_may_be_accessible_to_other_users() -> None:
    modes: list[int] = []

    def run(folder: Path) -> int:
        modes.append(folder.stat().st_mode & 0o777)
        return GOOD

    run_command("lab", run, mode=0o711)
    assert modes == [0o711]
