"""Static files from workers."""

from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from pytest_django import Settings

from channels_workers.handler import ViewConsumer
from channels_workers.layers.types import REQUEST
from channels_workers.message import Message
from channels_workers.staticfiles import (
    StaticFilesConsumer,
    StaticFilesHandler,
    default_http_consumer,
)
from tests.channels_workers.conftest import Views

# Signals around a request clean up database connections.
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_layer")]


@pytest.fixture(autouse=True)
def _static_files(settings: Settings, tmp_path: Path, views: Views) -> None:
    (tmp_path / "style.css").write_text("body {}")
    settings.STATIC_URL = "/static/"
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    views(lambda request: HttpResponse(f"view of {request.path}"))


def answers(path: str, **content: Any) -> list[dict[str, Any]]:
    given = {"reply_channel": "reply", "path": path, "method": "GET", **content}
    return list(StaticFilesHandler()(Message(given, REQUEST, None)))


def test_a_static_file_is_served() -> None:
    head, end = answers("/static/style.css")
    assert (head["status"], head["content"]) == (200, b"body {}")
    assert dict(head["headers"])[b"Content-Type"].startswith(b"text/css")
    assert end["more_content"] is False


def test_a_static_file_that_the_browser_has_is_not_sent_again() -> None:
    modified = dict(answers("/static/style.css")[0]["headers"])[b"Last-Modified"]
    [content] = answers("/static/style.css", headers=[[b"if-modified-since", modified]])
    assert (content["status"], content["content"]) == (304, b"")


def test_views_serve_everything_else() -> None:
    [content] = answers("/page/")
    assert content["content"] == b"view of /page/"


@pytest.mark.parametrize("debug", [False, True])
def test_a_missing_file_is_explained_under_debug(settings: Settings, debug: bool) -> None:
    settings.DEBUG = debug
    [content] = answers("/static/none.css", headers=[[b"host", b"testserver"]])
    assert content["status"] == (404 if debug else 200)
    assert (b"none.css" if debug else b"view of /static/none.css") in content["content"]


def test_files_of_another_host_are_for_nobody(settings: Settings) -> None:
    settings.STATIC_URL = "https://static.example.com/static/"
    assert answers("/static/style.css")[0]["content"] == b"view of /static/style.css"


@pytest.mark.parametrize(
    ("debug", "is_installed", "expected"),
    [
        (True, True, StaticFilesConsumer),
        (False, True, ViewConsumer),
        (True, False, ViewConsumer),
    ],
)
def test_workers_serve_them_during_development(
    settings: Settings, debug: bool, is_installed: bool, expected: type[ViewConsumer]
) -> None:
    settings.DEBUG = debug
    if not is_installed:
        apps = settings.INSTALLED_APPS
        settings.INSTALLED_APPS = [app for app in apps if not app.endswith("staticfiles")]
    assert type(default_http_consumer()) is expected
