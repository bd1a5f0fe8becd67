import logging
import sqlite3
import threading
import time
from typing import Any

import pytest
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper

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


@pytest.fixture
def in_memory_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close connections to the test database, too; Django leaves one in memory open."""
    monkeypatch.setattr(DatabaseWrapper, "is_in_memory_db", lambda self: False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_memory_closes")
def test_a_duty_closes_its_database_connections() -> None:
    opened: list[Any] = []

    def ask() -> None:
        connection.ensure_connection()
        opened.append(connection.connection)

    run(ask)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_cannot_be_closed_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[Any] = []

    def connect() -> None:
        connection.ensure_connection()

    def close(wrapper: DatabaseWrapper) -> None:
        closed.append(wrapper)
        raise sqlite3.OperationalError("The database has gone.")

    monkeypatch.setattr(DatabaseWrapper, "close", close)
    run(connect)
    monkeypatch.undo()
    assert len(closed) == 1
    assert not caplog.records


def run(duty: Any) -> None:
    thread = Duty("relief", duty)
    thread.start()
    assert thread.ends_by(time.monotonic() + 60)
