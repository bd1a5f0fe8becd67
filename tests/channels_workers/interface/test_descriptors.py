"""Open files of a server, in processes of their own: a hard limit cannot be raised again."""

import logging
import subprocess
import sys

import pytest

from channels_workers.interface.descriptors import OpenFiles

CODE = """
import logging, resource, sys
from channels_workers.interface.descriptors import OpenFiles
logging.basicConfig()
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
files = OpenFiles()
files.raise_limit()
print(files.limit, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def limited(soft: int, hard: int) -> tuple[str, str]:
    command = [sys.executable, "-c", CODE, str(soft), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


def test_a_server_takes_what_it_may_have() -> None:
    assert limited(256, 5_000) == ("5000 5000", "")


def test_a_low_limit_is_logged_with_the_cure() -> None:
    found, logged = limited(256, 1_000)
    assert found == "1000 1000"
    assert "may have only 1000 files open" in logged
    assert "LimitNOFILE" in logged


def test_a_server_says_once_that_it_is_nearly_full(caplog: pytest.LogCaptureFixture) -> None:
    files = OpenFiles()
    files.note(10**9)  # before its start
    files.limit = 1_000
    for count in (900, 901, 950, 850, 999):
        files.note(count)
    (line,) = caplog.records
    assert (line.levelno, line.event) == (logging.WARNING, "few_files")  # type: ignore[attr-defined]
    for count in (799, 901):
        files.note(count)
    assert len(caplog.records) == 2
