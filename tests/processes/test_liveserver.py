"""Runs the tests of tests/processes/live, and starts that fail."""

import os
import sys
import unittest
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.test import ChannelLiveServerTestCase
from channels_workers.test.liveserver import LiveProcess
from labs.harness.commands import run
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from tests.channels_workers.conftest import MEMORY
from tests.docs.pages import page

IMPORTS = """
from pathlib import Path
from tempfile import mkdtemp
from tests.processes.chromium import start_chromium
"""


def run_cases(database: Path, cases: str = "tests.processes.live.cases", **env: str) -> None:
    command = (sys.executable, "-W", "error", "-m", "django", "test", "--noinput")
    run(
        *(*command, cases),
        cwd=ROOT,
        env={
            "DATABASE": str(database),
            "DJANGO_SETTINGS_MODULE": "tests.processes.live.settings",
            "PYTHONPATH": str(ROOT),
            **env,
        },
    )


@pytest.mark.parametrize("http", ["interface", "workers"])
def test_on_the_layer_in_memory(http: str, tmp_path: Path) -> None:
    run_cases(tmp_path / "live.sqlite3", HTTP=http)


def test_on_redis(tmp_path: Path, redis_server: RedisServer) -> None:
    run_cases(tmp_path / "live.sqlite3", REDIS_URL=redis_server.url)
    with redis_server.client() as client:
        assert list(client.scan_iter(match="live*")) == []


def test_workers_beside_the_live_server_of_channels_4(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    run_cases(
        tmp_path / "live.sqlite3", "tests.processes.live.workers_beside", REDIS_URL=redis_server.url
    )


def test_the_code_of_the_guide(tmp_path: Path, redis_server: RedisServer) -> None:
    browser = "start_chromium(Path(mkdtemp(dir=FOLDER)), Path(FOLDER) / 'log')"
    for block in page("how-to/test-browsers").blocks:
        if block.file:
            code = block.text.replace("Chrome(options)", browser)
            file = tmp_path / f"page_{Path(block.file).name}"
            file.write_text(f"{IMPORTS}FOLDER = {str(tmp_path)!r}\n{code}")
    paths = f"{ROOT}{os.pathsep}{tmp_path}"
    for module in ("page_tests", "page_more_tests"):
        run_cases(tmp_path / "live.sqlite3", module, REDIS_URL=redis_server.url, PYTHONPATH=paths)


@pytest.mark.django_db
def test_a_database_in_memory_is_refused() -> None:
    case = type("Live", (ChannelLiveServerTestCase,), {"test": lambda self: None})("test")
    with pytest.raises(ImproperlyConfigured, match=r'\["TEST"\] = \{"NAME"'):
        case.run(unittest.TestResult())


@pytest.mark.django_db
def test_a_skipped_test_starts_nothing() -> None:
    skipped = unittest.skip("never")(lambda self: None)
    case = type("Live", (ChannelLiveServerTestCase,), {"test": skipped})("test")
    result = unittest.TestResult()
    case.run(result)
    assert [reason for _, reason in result.skipped] == ["never"]


def test_a_server_that_does_not_start(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}}
    settings.ASGI_APPLICATION = "nowhere.asgi.application"
    process = LiveProcess("localhost", 1, serve_static=False)
    process.start()
    try:
        with pytest.raises(RuntimeError, match="nowhere.asgi"):
            process.wait_for_port()
    finally:
        process.stop()
