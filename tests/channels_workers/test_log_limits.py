"""Log lines that clients can trigger without limit: of the engine, Django and servers."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from pytest_django import Settings

from channels_workers import log_limits
from channels_workers.log_limits import (
    LOGGERS,
    ClientLines,
    Episodes,
    Flood,
    flood,
    fold_client_lines,
    limit_lines,
)
from channels_workers.logs import fields

logger = logging.getLogger("channels_workers.test")


@pytest.fixture
def log(settings: Settings, caplog: pytest.LogCaptureFixture) -> Iterator[logging.Logger]:
    settings.CHANNEL_WORKERS = {"LOG_LINES_PER_MINUTE": 3}
    logger = logging.getLogger("a.stranger")
    limited = Flood()
    logger.addFilter(limited)
    yield logger
    logger.removeFilter(limited)


def wrong_host(log: logging.Logger, host: str) -> None:
    """Log an invalid host as Django does."""
    try:
        raise DisallowedHost(f"Invalid HTTP_HOST header: {host!r}.")
    except DisallowedHost as error:
        log.error(str(error), exc_info=error)


def test_lines_of_one_kind_are_limited_and_the_last_says_so(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        wrong_host(log, f"evil-{number}.example")
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 3
    assert "LOG_LINES_PER_MINUTE" in texts[2]
    assert texts[0].endswith("'evil-0.example'.")


def test_kinds_are_counted_separately(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        wrong_host(log, "x")
        log.warning("%s: %s", "Not Found", "/x", extra={"status_code": 404})
    assert len(caplog.records) == 6


def test_the_first_line_of_the_next_minute_counts_the_omitted_ones(
    log: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(log_limits.time, "monotonic", lambda: now[0])
    for after in (0, 1, 2, 3, 4, 61, 62):
        now[0] = 1000.0 + after
        log.warning("a line")
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 5
    assert texts[3] == "a line [2 more like this one were left out]"
    assert texts[4] == "a line"


def test_a_limit_of_zero_and_lower_levels_let_everything_through(
    log: logging.Logger, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(10):
        log.info("told by the operator's own choice")
    settings.CHANNEL_WORKERS = {"LOG_LINES_PER_MINUTE": 0}
    for _ in range(10):
        log.warning("a line")
    assert len(caplog.records) == 20


def test_errors_of_a_project_are_limited_too() -> None:
    class Odd(SuspiciousOperation):
        pass

    limit_lines()
    limit_lines()
    for name in (*LOGGERS, "django.security.DisallowedHost", "django.security.Odd"):
        assert logging.getLogger(name).filters.count(flood) == 1
    assert Odd.__name__ == "Odd"


# Folded


async def test_repeated_lines_are_summarised(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_limits, "MINUTE", 0.05)
    episodes = Episodes()
    for number in range(5):
        episodes.log(logger, logging.WARNING, "Closing %s", number, extra=fields("closed"))
    episodes.log(logger, logging.ERROR, "Dropped %s", 1, extra=fields("dropped"))
    assert [record.message for record in caplog.records] == ["Closing 0", "Dropped 1"]
    async with asyncio.timeout(60):
        while episodes._more:  # noqa: ASYNC110  (nobody tells of it)
            await asyncio.sleep(0.01)
    (again,) = caplog.records[2:]
    assert again.message == "4 more in the last 0.05 s of: Closing %s"
    assert (again.levelname, again.__dict__["event"]) == ("WARNING", "closed")
    episodes.log(logger, logging.WARNING, "Closing %s", "anew", extra=fields("closed"))
    assert caplog.records[-1].message == "Closing anew"


def test_without_an_event_loop_each_line_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    episodes = Episodes()
    for _ in range(2):
        episodes.log(logger, logging.WARNING, "Closing", extra=fields("closed"))
    assert len(caplog.records) == 2


async def test_only_lines_about_clients_are_shortened(
    caplog: pytest.LogCaptureFixture,
) -> None:
    of_server = logging.getLogger("some.server")
    for _ in range(2):
        fold_client_lines("some.server", ("Invalid UTF-8", "Traceback"))
    assert [type(each) for each in of_server.filters] == [ClientLines]
    for _ in range(3):
        of_server.error("Invalid UTF-8 sequence")
        of_server.error("Traceback (most recent call last)\n  File\nUnicodeDecodeError: no\n")
        of_server.error("Something of the application")
    messages = [record.message for record in caplog.records]
    assert messages.count("Something of the application") == 3
    assert [text for text in messages if "refuses" in text] == [
        "A client sent what its server refuses: Invalid UTF-8 sequence"
    ]
