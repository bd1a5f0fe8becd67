import logging

import pytest

from channels_workers.backoff import Attempts

logger = logging.getLogger(__name__)


def attempts(longest: float = 5.0) -> Attempts:
    return Attempts(logger, "Waiting for messages", longest)


def test_waits_grow_to_the_longest() -> None:
    trying = attempts(longest=1.0)
    waits = [trying.failed(OSError()) for _ in range(50)]
    for number, wait in enumerate(waits):
        full = min(1.0, 0.05 * 2.0**number)
        assert full / 2 <= wait <= full


def test_waits_differ_so_that_processes_do_not_come_back_at_once() -> None:
    waits = set()
    for _ in range(20):
        waits.add(attempts().failed(OSError()))
    assert len(waits) > 1


def test_a_row_of_failures_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    trying = attempts()
    for _ in range(3):
        trying.failed(OSError("Nobody answers."))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "Waiting for messages: Nobody answers. Trying again.")
    ]


def test_the_end_of_a_row_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    trying = attempts()
    trying.failed(OSError())
    trying.failed(OSError())
    caplog.clear()
    trying.succeeded()
    trying.succeeded()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "Waiting for messages: works again after 2 failures.")
    ]


def test_success_alone_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    attempts().succeeded()
    assert caplog.records == []


def test_a_new_row_begins_with_a_short_wait_and_a_line(caplog: pytest.LogCaptureFixture) -> None:
    trying = attempts()
    for _ in range(9):
        trying.failed(OSError())
    trying.succeeded()
    caplog.clear()
    assert trying.failed(OSError("Gone.")) <= 0.05
    assert len(caplog.records) == 1
