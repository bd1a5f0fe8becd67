"""Old rows are deleted, and tasks whose message is a dead letter have failed."""

import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.tasks import keeper
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.keeper import Keeper
from channels_workers.tasks.models import StoredTask
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import pull_one
from tests.channels_workers.consumers import StartGroup, stop
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.conftest import BACKEND, Run
from tests.channels_workers.tasks.functions import task
from tests.channels_workers.tasks.test_run import QUEUE, begin, pass_time

pytestmark = pytest.mark.django_db(transaction=True)


def look(layer: InMemoryChannelLayer) -> None:
    Keeper(layer, threading.Event()).sweep()


def test_rows_are_kept_for_their_time(
    tasks: InMemoryChannelLayer, run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "BATCH", 2)
    options = {"RESULTS_KEPT": 60}
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": options}}
    results = [task(functions.add).enqueue(number) for number in range(5)]
    for _ in range(4):
        run()
    StoredTask.objects.update(enqueued_at=timezone.now() - timedelta(days=1))
    look(tasks)
    assert StoredTask.objects.count() == 5
    finished = StoredTask.objects.filter(pk__in=[result.id for result in results[:3]])
    finished.update(finished_at=timezone.now() - timedelta(seconds=61))
    look(tasks)
    assert {str(row.pk) for row in StoredTask.objects.all()} == {each.id for each in results[3:]}


def test_a_task_whose_message_is_a_dead_letter_has_failed(
    tasks: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    begun, not_begun = task(functions.later).enqueue(), task(functions.add).enqueue(1)
    deadly = pull_one(tasks, QUEUE)
    begin(deadly, tasks)
    for each in (deadly, pull_one(tasks, QUEUE)):
        tasks.dead_letter(each, "its worker died 3 times")
    look(tasks)
    look(tasks)
    for result in (begun, not_begun):
        result.refresh()
        assert result.status == TaskResultStatus.FAILED
        (error,) = result.errors
        assert error.exception_class.__name__ == "TaskLost"
        assert "its worker died 3 times" in error.traceback
    lines = [each for each in caplog.records if each.__dict__.get("event") == "task_lost"]
    assert len(lines) == 2


def test_a_retry_whose_message_is_a_dead_letter_has_failed(
    tasks: InMemoryChannelLayer, run: Run
) -> None:
    result = task(functions.fail_thrice).enqueue("broken")
    run()
    pass_time(tasks, 11)
    tasks.dead_letter(pull_one(tasks, QUEUE), "the database was away")  # before its run
    look(tasks)
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert [each.exception_class.__name__ for each in result.errors] == ["ValueError", "TaskLost"]


def test_a_dead_letter_that_a_retry_followed_is_left_alone(
    tasks: InMemoryChannelLayer, run: Run
) -> None:
    result = task(functions.fail_thrice).enqueue("broken")
    tasks.apply([tasks.make_send(QUEUE, {"task": result.id, "failures": 0})])
    run()
    tasks.dead_letter(pull_one(tasks, QUEUE), "for a test")
    look(tasks)
    result.refresh()
    assert result.status == TaskResultStatus.READY


def test_a_task_that_cannot_be_sent_stops_nothing_else(
    tasks: InMemoryChannelLayer, settings: Settings
) -> None:
    schedules = {
        "bad": {"task": "missing.task", "every": 60},
        "one": {
            "task": "tests.channels_workers.tasks.functions.scheduled_add",
            "args": [1],
            "every": 60,
        },
    }
    settings.TASKS = {
        name: {
            "BACKEND": BACKEND,
            "QUEUES": ["default", "mail"],
            "OPTIONS": {"SCHEDULE": {name: schedule}},
        }
        for name, schedule in schedules.items()
    }
    settings.TASKS["default"] = {"BACKEND": BACKEND, "QUEUES": ["default", "mail"]}
    functions.scheduled_add = task(functions.add, backend="one")
    old, unsent = timezone.now() - timedelta(days=8), timezone.now() - timedelta(minutes=1)
    finished = task(functions.add).enqueue(1)
    StoredTask.objects.update(status="SUCCESSFUL", finished_at=old)
    for queue in ("no queue", "mail"):
        unsent += timedelta(seconds=1)
        row = StoredTask.objects.create(backend="default", queue=queue, unsent_since=unsent)
    keeper = Keeper(tasks, threading.Event())
    with pytest.raises(TypeError, match="no queue"):
        keeper.look(0.0)
    with pytest.raises(ImproperlyConfigured, match="missing"):
        keeper.look(60.0)
    row.refresh_from_db()
    assert row.unsent_since is None
    assert [each.backend for each in StoredTask.objects.exclude(args=[])] == ["one"]
    assert not StoredTask.objects.filter(pk=finished.id).exists()


def test_other_dead_letters_are_left_alone(tasks: InMemoryChannelLayer) -> None:
    for name, content in ((QUEUE, {}), (QUEUE, {"task": 1}), (QUEUE, {"task": "x"}), ("other", {})):
        Channel(name).send(content)
        tasks.dead_letter(pull_one(tasks, name), "for a test")
    look(tasks)
    assert len(tasks.admin.dead_letters()) == 4


def keepers() -> int:
    return [each.name for each in threading.enumerate()].count("tasks")


def test_each_worker_process_has_one(tasks: InMemoryChannelLayer, start_group: StartGroup) -> None:
    group = start_group({}, n_threads=2)
    wait_for(lambda: keepers() == 1, "the thread")
    stop(group)
    wait_for(lambda: keepers() == 0, "its end")


def test_its_thread_outlives_errors(
    tasks: InMemoryChannelLayer,
    start_group: StartGroup,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    schedule = {"bad": {"task": "missing.task", "every": 1}}
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": {"SCHEDULE": schedule}}}
    group = start_group({})
    wait_for(lambda: "Looking after the rows of tasks: " in caplog.text, "the line")
    assert keepers() == 1
    stop(group)
    wait_for(lambda: keepers() == 0, "its end")


def test_a_process_without_our_backend_has_none(
    memory_layer: InMemoryChannelLayer, start_group: StartGroup
) -> None:
    group = start_group({"other": functions.add})
    stop(group)
    assert not any(channel.startswith("tasks.") for channel in group.channels)
    assert keepers() == 0


def test_what_a_task_sent_is_forgotten_when_it_has_gone_out(
    tasks: InMemoryChannelLayer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    task(functions.tell).enqueue("hello")
    run()
    keeper_of = Keeper(tasks, threading.Event())
    StoredTask.objects.update(finished_at=timezone.now() - timedelta(seconds=3_590))
    monkeypatch.setattr(keeper, "CALM", 0.0)
    keeper_of.sweep()
    assert StoredTask.objects.get().effects is not None
    StoredTask.objects.update(finished_at=timezone.now() - timedelta(seconds=3_610))
    monkeypatch.setattr(keeper, "CALM", 60.0)
    keeper_of.sweep()
    assert StoredTask.objects.get().effects is not None, "the layer was perhaps away until now"

    def be_away() -> None:
        raise LayerUnavailable("away")

    keeper_of._answers_since -= 100
    with monkeypatch.context() as patch:
        patch.setattr(tasks.admin, "dead_letters", be_away)
        with pytest.raises(LayerUnavailable):
            keeper_of.sweep()
    keeper_of.sweep()
    assert StoredTask.objects.get().effects is not None, "the message may run again now"
    monkeypatch.setattr(keeper, "CALM", 0.0)
    keeper_of.sweep()
    assert StoredTask.objects.get().effects is None
