import logging
import threading
import time

import pytest

from channels_workers.concurrency.threads import Duty


def test_any_exception_of_a_duty_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Python itself does not report a SystemExit in a thread."""

    def end() -> None:
        raise SystemExit(3)

    duty = Duty("heartbeat", end)
    duty.start()
    assert duty.ends_by(time.monotonic() + 20)
    [record] = caplog.records
    assert record.levelno == logging.CRITICAL
    assert (
        record.getMessage() == "The thread heartbeat of this process has ended; restart the process"
    )
    assert record.exc_info


def test_joining_a_duty_has_a_deadline() -> None:
    go_on = threading.Event()
    duty = Duty("relief", go_on.wait)
    assert duty.ends_by(time.monotonic()), "it has not begun"
    duty.start()
    assert not duty.ends_by(time.monotonic() + 0.01)
    go_on.set()
    assert duty.ends_by(time.monotonic() + 20)
