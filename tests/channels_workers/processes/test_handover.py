import os
from pathlib import Path

import pytest

from channels_workers.processes.handover import initial_environment


def test_the_initial_environment_is_not_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_SINCE_THE_START", "1")
    found = initial_environment()
    assert found["PATH"]
    assert "SET_SINCE_THE_START" not in found


def test_values_may_contain_anything(tmp_path: Path) -> None:
    (tmp_path / "environ").write_bytes(b"A=1=2\0B=\xff\nx\0C=\0")
    found = initial_environment(tmp_path / "environ")
    assert found == {"A": "1=2", "B": os.fsdecode(b"\xff\nx"), "C": ""}


def test_a_system_without_proc(tmp_path: Path) -> None:
    assert initial_environment(tmp_path / "missing") == dict(os.environ)
