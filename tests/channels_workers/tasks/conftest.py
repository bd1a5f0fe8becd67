"""Shared by the tests of tasks.

tasks
    The layer in memory, and `TASKS` with the backend and its queues `default` and `mail`.
run
    `run(queue="default", priority=0)` runs the next message of these tasks in the thread of the
    test, as a worker does.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.tasks.backend import once_tasks
from channels_workers.tasks.channels import channel_of
from channels_workers.test import Client

BACKEND = "channels_workers.tasks.TaskBackend"
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def no_other_tasks() -> Iterator[None]:
    """The system checks do not see the tasks of these tests later."""
    yield
    once_tasks.clear()


@pytest.fixture
def tasks(settings: Settings, memory_layer: InMemoryChannelLayer) -> InMemoryChannelLayer:
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": ["default", "mail"]}}
    return memory_layer


@pytest.fixture
def run(tasks: InMemoryChannelLayer) -> Run:
    client = Client()

    def run_next(queue: str = "default", priority: int = 0) -> Any:
        return client.consume(channel_of(queue, priority))

    return run_next
