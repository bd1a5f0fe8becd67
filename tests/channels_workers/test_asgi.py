"""What `get_application` loads."""

import io
import sys
import warnings
from typing import Any
from unittest import TestCase

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings
from twisted.logger import LogPublisher
from twisted.logger._global import LogBeginner

from channels_workers.asgi import get_application
from channels_workers.interface.servers.daphne import twisted

LOGGER = "channels_workers.asgi"
THE_APP = "channels_workers"

EACH_WAY = {"/": "workers", "/admin/": "interface"}


@pytest.fixture(autouse=True)
def middleware(settings: Settings) -> None:
    """Middleware that cannot be loaded."""
    settings.MIDDLEWARE = ["no.such.Middleware"]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send("an answer")


@pytest.mark.parametrize("http", ["interface", EACH_WAY])
def test_django_is_loaded_if_it_answers_some_requests(http: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": http}
    with pytest.raises(ImportError, match="No module named .no"):
        get_application()


async def test_django_is_not_loaded_if_workers_answer_all(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": "workers"}
    application = get_application()
    with pytest.raises(ImproperlyConfigured, match="Restart it"):
        await application.http.http({}, None, None)


@pytest.mark.parametrize("http", ["interface", "workers", EACH_WAY])
def test_an_application_of_your_own_replaces_it(http: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": http}
    assert get_application(answer).http.http is answer


def test_an_app_that_is_not_installed_is_logged(settings: Settings) -> None:
    logs = TestCase()  # as `django.setup` configures the handlers of the root anew
    with logs.assertNoLogs(LOGGER):
        get_application(answer)
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != THE_APP]
    with logs.assertLogs(LOGGER) as logged:
        get_application(answer)
    [record] = logged.records
    assert record.getMessage().startswith("INSTALLED_APPS lacks 'channels_workers'")
    assert vars(record)["event"] == "app_missing"


def test_python_shows_warnings_under_daphne(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twisted takes them for a log that Daphne drops."""
    usual = twisted.shows_warnings
    monkeypatch.setattr(
        warnings,
        "showwarning",
        LogBeginner(LogPublisher(), io.StringIO(), sys, warnings).showwarning,
    )
    twisted.show_warnings()
    assert warnings.showwarning is usual
    monkeypatch.setattr(warnings, "showwarning", print)  # somebody else's
    twisted.show_warnings()
    assert warnings.showwarning is print
