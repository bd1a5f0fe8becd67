"""Shared by the tests of HTTP by workers.

run_worker
    `run_worker(consumer=ViewConsumer(), **routes)` starts a worker for `http.request` that ends
    with the test. Other routes have names such as `http_disconnect`.
"""

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from pytest_django import Settings

from channels_workers.handler import ViewConsumer
from channels_workers.routing import route
from tests.channels_workers.consumers import StartGroup


class RunWorker(Protocol):
    def __call__(self, consumer: Callable[..., Any] = ..., **routes: Any) -> Any: ...


@pytest.fixture(autouse=True)
def _any_size(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None


@pytest.fixture
def run_worker(start_group: StartGroup) -> RunWorker:
    def run(consumer: Callable[..., Any] | None = None, **routes: Any) -> Any:
        others = [route(name.replace("_", "."), other) for name, other in routes.items()]
        return start_group([route("http.request", consumer or ViewConsumer()), *others])

    return run
