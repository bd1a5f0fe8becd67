"""When the browser of many tests is replaced."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from selenium.common.exceptions import InvalidSessionIdException
from selenium.webdriver import Chrome

from tests.processes import chromium
from tests.processes.chromium import SharedBrowser


def browser(draws: object) -> Mock:
    return Mock(spec=Chrome, **{"execute_async_script.side_effect": [True, draws, True]})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Mock]:
    """The browsers that are there to be started."""
    waiting = [browser(True), browser(True)]
    monkeypatch.setattr(chromium, "start_chromium", lambda *_: waiting.pop(0))
    return waiting


def test_a_browser_is_kept_while_it_draws(started: list[Mock], tmp_path: Path) -> None:
    first, _ = started
    shared = SharedBrowser(tmp_path)
    assert [shared.in_front() for _ in range(3)] == [first] * 3
    first.quit.assert_not_called()


@pytest.mark.parametrize("draws", [False, InvalidSessionIdException("it has crashed")])
def test_a_browser_that_draws_no_more_is_replaced(
    draws: object, started: list[Mock], tmp_path: Path
) -> None:
    started[0] = first = browser(draws)
    second = started[1]
    shared = SharedBrowser(tmp_path)
    assert [shared.in_front(), shared.in_front()] == [first, second]
    first.quit.assert_called_once_with()


def test_a_new_browser_that_draws_nothing_is_an_error(started: list[Mock], tmp_path: Path) -> None:
    for each in started:
        each.execute_async_script.side_effect = [False, False]
    with pytest.raises(AssertionError, match="draws no frames either"):
        SharedBrowser(tmp_path).in_front()
