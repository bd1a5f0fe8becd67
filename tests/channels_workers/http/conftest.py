"""Shared by the tests of HTTP by workers.

run_worker
    `run_worker(consumer=ViewConsumer(), n_threads=1, **routes)` starts a worker for `http.request`
    that ends with the test. Other routes have names such as `http_disconnect`.
"""

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from pytest_django import Settings

from channels_workers.handler import ViewConsumer
from channels_workers.routing import route
from tests.channels_workers.consumers import StartGroup


class RunWorker(Protocol):
    def __call__(
        self, consumer: Callable[..., Any] = ..., n_threads: int = ..., **routes: Any
    ) -> Any: ...


@pytest.fixture(autouse=True)
def _any_size(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None


@pytest.fixture
def run_worker(start_group: StartGroup) -> RunWorker:
    def run(consumer: Callable[..., Any] | None = None, n_threads: int = 1, **routes: Any) -> Any:
        others = [route(name.replace("_", "."), other) for name, other in routes.items()]
        routing = [route("http.request", consumer or ViewConsumer()), *others]
        return start_group(routing, n_threads=n_threads)

    return run
