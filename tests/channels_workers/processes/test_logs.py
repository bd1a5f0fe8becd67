import logging
from typing import Any

import pytest

from channels_workers.processes.logs import USUAL, configure, describe


def plain(config_name: str | None, config: Any) -> Any:
    return describe(config_name, config)["plain"]


def test_plain_data_are_handed_over() -> None:
    assert plain(USUAL, {"root": {"handlers": ("out",)}}) == {"root": {"handlers": ["out"]}}
    assert plain(USUAL, {}) == {}


@pytest.mark.parametrize(
    ("config_name", "config"),
    [(USUAL, {"formatters": {"text": {"()": logging.Formatter}}}), (None, {}), ("site.log", {})],
)
def test_what_only_the_settings_can_make_is_not(config_name: str | None, config: Any) -> None:
    assert plain(config_name, config) is None


def test_the_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")
    assert describe(USUAL, {})["settings"] == "mysite.settings"


@pytest.mark.parametrize("given", [{}, None])
def test_without_a_configuration_nothing_changes(given: dict[str, Any] | None) -> None:
    before = logging.root.handlers[:]
    configure(settings="", plain=given)
    assert logging.root.handlers == before
