"""Runs of Django's tasks, by their outcome."""

from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.tasks.models import StoredTask
from channels_workers.tasks.outcomes import note_overtaken
from channels_workers.test import Client
from tests.channels_workers.metrics.conftest import Sample
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.functions import task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(settings: Settings, memory_layer: InMemoryChannelLayer, sample: Sample) -> Client:
    backend = "channels_workers.tasks.TaskBackend"
    settings.TASKS = {"default": {"BACKEND": backend, "QUEUES": ["default"]}}
    return Client()


@pytest.mark.parametrize(
    ("function", "arguments", "outcome"),
    [
        ("add", (1, 2), "successful"),
        ("fail", ("no",), "failed"),
        ("fail_thrice", ("no",), "retried"),
    ],
)
def test_outcomes(
    function: str, arguments: tuple[Any, ...], outcome: str, client: Client, sample: Sample
) -> None:
    made: Any = task(getattr(functions, function))
    for _ in range(3):
        made.enqueue(*arguments)
    for _ in range(3):
        client.consume("tasks.default")
    path = made.module_path
    assert sample("tasks_total", task=path, outcome=outcome) == 3
    assert sample("task_seconds_count", task=path) == 3
    seconds = sample("task_seconds_sum", task=path)
    assert seconds is not None
    assert 0 <= seconds < 60


def test_a_task_that_never_began_has_no_time(sample: Sample) -> None:
    note_overtaken(StoredTask(path="board.tasks.clean"))
    assert sample("tasks_total", task="board.tasks.clean", outcome="overtaken") == 1
    assert sample("task_seconds_count", task="board.tasks.clean") is None
