"""Shared by the tests of HTTP by workers.

views
    `views(view, *middleware)` makes *view* answer every path, behind this middleware only.
run_worker
    `run_worker(consumer=ViewConsumer(), **routes)` starts a worker for `http.request` that ends
    with the test. Other routes have names such as `http_disconnect`.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import pytest
from django.urls import re_path
from pytest_django import Settings

from channels_workers.handler import ViewConsumer
from channels_workers.routing import route
from tests.channels_workers.consumers import StartGroup


class Views(Protocol):
    def __call__(self, view: Callable[..., Any], *middleware: str) -> None: ...


class RunWorker(Protocol):
    def __call__(self, consumer: Callable[..., Any] = ..., **routes: Any) -> Any: ...


@pytest.fixture(autouse=True)
def _any_size(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None


@pytest.fixture
def views(settings: Settings) -> Views:
    def serve(view: Callable[..., Any], *middleware: str) -> None:
        urls: Any = ModuleType("urls")
        urls.urlpatterns = [re_path("", view)]
        settings.ROOT_URLCONF = urls
        settings.MIDDLEWARE = list(middleware)

    return serve


@pytest.fixture
def run_worker(start_group: StartGroup) -> RunWorker:
    def run(consumer: Callable[..., Any] | None = None, **routes: Any) -> Any:
        others = [route(name.replace("_", "."), other) for name, other in routes.items()]
        return start_group([route("http.request", consumer or ViewConsumer()), *others])

    return run
