import logging
import os
from pathlib import Path

import pytest
from pytest_django import Settings

from channels_workers.processes.handover import initial_environment, plain_logging


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


def test_plain_logging_is_handed_over(settings: Settings) -> None:
    settings.LOGGING = {"version": 1, "root": {"handlers": (), "level": "INFO"}}
    assert plain_logging() == {"version": 1, "root": {"handlers": [], "level": "INFO"}}


def test_logging_that_only_the_settings_can_make_is_not(settings: Settings) -> None:
    settings.LOGGING = {"version": 1, "formatters": {"text": {"()": logging.Formatter}}}
    assert plain_logging() is None
    settings.LOGGING, settings.LOGGING_CONFIG = {}, None
    assert plain_logging() is None
