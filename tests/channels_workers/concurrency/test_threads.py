import logging
import threading
import time

import pytest

from channels_workers.concurrency.threads import Duty


def test_what_a_duty_raises_is_logged_whatever_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """Python says nothing at all of a SystemExit in a thread."""

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


def test_it_is_waited_for_to_the_deadline() -> None:
    go_on = threading.Event()
    duty = Duty("relief", go_on.wait)
    assert duty.ends_by(time.monotonic()), "it has not begun"
    duty.start()
    assert not duty.ends_by(time.monotonic() + 0.01)
    go_on.set()
    assert duty.ends_by(time.monotonic() + 20)
