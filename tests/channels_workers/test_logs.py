"""What clients can cause without end fills no log."""

import asyncio
import logging

import pytest

from channels_workers import logs
from channels_workers.logs import ClientLines, Episodes, fields, fold_client_lines

logger = logging.getLogger("channels_workers.test")


async def test_lines_of_a_kind_are_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "EPISODE", 0.05)
    episodes = Episodes()
    for number in range(5):
        episodes.log(logger, logging.WARNING, "Closing %s", number, extra=fields("closed"))
    episodes.log(logger, logging.ERROR, "Dropped %s", 1, extra=fields("dropped"))
    assert [record.message for record in caplog.records] == ["Closing 0", "Dropped 1"]
    async with asyncio.timeout(10):
        while episodes._more:  # noqa: ASYNC110  (nobody tells of it)
            await asyncio.sleep(0.01)
    (again,) = caplog.records[2:]
    assert again.message == "4 more in the last 0.05 s of: Closing %s"
    assert (again.levelname, again.__dict__["event"]) == ("WARNING", "closed")
    episodes.log(logger, logging.WARNING, "Closing %s", "anew", extra=fields("closed"))
    assert caplog.records[-1].message == "Closing anew"


def test_without_a_loop_each_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    episodes = Episodes()
    for _ in range(2):
        episodes.log(logger, logging.WARNING, "Closing", extra=fields("closed"))
    assert len(caplog.records) == 2


async def test_lines_of_a_server_about_clients_are_folded_and_others_are_not(
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
