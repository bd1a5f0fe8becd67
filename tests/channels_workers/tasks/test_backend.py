"""The backend as Django's documentation describes one: enqueue, results, flags, signals, checks."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, transaction
from django.utils import timezone
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.exceptions import ChannelFull
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.routing import route
from channels_workers.tasks import TaskBackend, rows
from channels_workers.tasks.api import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from channels_workers.tasks.keeper import send_unsent
from channels_workers.tasks.models import StoredTask
from channels_workers.test import Client, apply_routes
from tests.channels_workers.clients import outbox_of
from tests.channels_workers.conftest import heard
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.conftest import BACKEND, Run
from tests.channels_workers.tasks.functions import done, task

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_done() -> Iterator[None]:
    done.clear()
    yield
    done.clear()


def waiting(layer: InMemoryChannelLayer) -> list[str]:
    """The channels with a message."""
    streams = layer.store.streams.items()
    return [name for name, stream in streams for _ in stream.waiting]


def test_it_says_what_it_supports(tasks: InMemoryChannelLayer) -> None:
    backend = task_backends["default"]
    assert isinstance(backend, TaskBackend)
    assert backend.supports_defer
    assert backend.supports_async_task
    assert backend.supports_get_result
    assert backend.supports_priority


def test_a_task_is_ready_then_successful(run: Run) -> None:
    result = task(functions.add).enqueue(1, second=2)
    assert result.status == TaskResultStatus.READY
    assert not result.is_finished
    assert (result.args, result.kwargs, result.attempts) == ([1], {"second": 2}, 0)
    assert result.enqueued_at is not None
    assert (result.started_at, result.last_attempted_at, result.finished_at) == (None,) * 3
    with pytest.raises(ValueError, match="not finished yet"):
        _ = result.return_value
    assert done == []
    run()
    assert done == [1]
    result.refresh()
    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 3)
    assert (result.attempts, result.worker_ids, result.errors) == (1, ["test"], [])
    assert result.started_at is not None
    assert result.finished_at is not None
    assert result.enqueued_at <= result.started_at == result.last_attempted_at
    assert result.last_attempted_at <= result.finished_at


def test_a_coroutine_function_runs(run: Run) -> None:
    result = task(functions.aadd).enqueue(5)
    run()
    result.refresh()
    assert (result.status, result.return_value, done) == (TaskResultStatus.SUCCESSFUL, 5, [5])


async def test_coroutines_enqueue_and_read(tasks: InMemoryChannelLayer) -> None:
    adding = task(functions.add)
    result = await adding.aenqueue(1)
    assert waiting(tasks) == ["tasks.default"]
    assert (await adding.aget_result(result.id)).status == TaskResultStatus.READY
    await result.arefresh()
    with pytest.raises(TaskResultDoesNotExist):
        await adding.aget_result("unknown")


def test_a_task_takes_its_context(run: Run) -> None:
    result = task(functions.state, takes_context=True).enqueue("hello")
    run()
    result.refresh()
    expected = {"attempt": 1, "id": result.id, "status": "RUNNING", "text": "hello"}
    assert result.return_value == expected


def test_results_are_found_by_id(tasks: InMemoryChannelLayer) -> None:
    adding, failing = task(functions.add, priority=7), task(functions.fail)
    result = adding.enqueue(1)
    found = adding.get_result(result.id)
    assert (found.id, found.args, found.task.priority) == (result.id, [1], 7)
    assert found.task.func is functions.add
    with pytest.raises(Exception, match="does not match"):
        failing.get_result(result.id)
    for unknown in ("unknown", "0" * 32):
        with pytest.raises(TaskResultDoesNotExist):
            adding.get_result(unknown)


def test_results_belong_to_their_backend(tasks: InMemoryChannelLayer, settings: Settings) -> None:
    settings.TASKS = {"default": {"BACKEND": BACKEND}, "other": {"BACKEND": BACKEND}}
    result = task(functions.add, backend="other").enqueue(1)
    assert task_backends["other"].get_result(result.id).backend == "other"
    with pytest.raises(TaskResultDoesNotExist):
        task_backends["default"].get_result(result.id)


def test_arguments_must_be_json(tasks: InMemoryChannelLayer) -> None:
    with pytest.raises(TypeError, match="Unsupported type"):
        task(functions.add).enqueue(object())
    assert not StoredTask.objects.exists()


def test_a_task_that_raises_has_failed(run: Run) -> None:
    result = task(functions.fail).enqueue("broken")
    run()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert result.is_finished
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    (error,) = result.errors
    assert error.exception_class is ValueError
    assert "raise ValueError(text)\nValueError: broken" in error.traceback
    assert done == ["broken"]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (functions.leave, SystemExit),
        (functions.unstorable, TypeError),
    ],
)
def test_other_failures(run: Run, function: Any, expected: type[BaseException]) -> None:
    result = task(function).enqueue()
    run()
    result.refresh()
    assert [error.exception_class for error in result.errors] == [expected]
    assert result.status == TaskResultStatus.FAILED


def test_a_coroutine_that_raises_has_failed(run: Run) -> None:
    result = task(functions.afail).enqueue("broken")
    run()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert "ValueError: broken" in result.errors[0].traceback


# Queues, priorities, run_after


def test_each_queue_has_three_channels(tasks: InMemoryChannelLayer) -> None:
    for priority in (0, 1, 100, -1, -100):
        task(functions.add, priority=priority).enqueue(1)
    task(functions.add, queue_name="mail").enqueue(1)
    names = ["tasks.default", *["tasks.default.high"] * 2, *["tasks.default.low"] * 2]
    assert sorted(waiting(tasks)) == [*names, "tasks.mail"]


@pytest.mark.parametrize("given", [{"queue_name": "unknown"}, {"priority": 101}, {"priority": 1.5}])
def test_invalid_tasks(tasks: InMemoryChannelLayer, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidTask):
        task(functions.add, **given)


def test_run_after_delays_the_message(tasks: InMemoryChannelLayer, run: Run) -> None:
    due = timezone.now() + timedelta(hours=1)
    result = task(functions.add).using(run_after=due).enqueue(1)
    assert waiting(tasks) == []
    (delayed,) = tasks.admin.delayed()
    assert delayed.channel == "tasks.default"
    assert abs(delayed.due - due.timestamp()) < 30
    tasks.store.clock = lambda: due.timestamp() + 1
    tasks.admin.send_due()
    run()
    result.refresh()
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.task.run_after == due


def test_a_run_after_in_the_past_is_now(tasks: InMemoryChannelLayer) -> None:
    task(functions.add).using(run_after=timezone.now() - timedelta(days=500)).enqueue(1)
    assert waiting(tasks) == ["tasks.default"]


def test_a_run_after_beyond_a_year_is_refused(tasks: InMemoryChannelLayer) -> None:
    with pytest.raises(InvalidTask, match="within a year"):
        task(functions.add).using(run_after=timezone.now() + timedelta(days=366))
    with pytest.raises(InvalidTask, match="aware"):
        task(functions.add).using(run_after=datetime(2030, 1, 1))


# Transactions


def test_the_row_is_in_the_transaction_and_the_message_after_it(
    tasks: InMemoryChannelLayer,
) -> None:
    with transaction.atomic():
        task(functions.add).enqueue(1)
        assert StoredTask.objects.count() == 1
        assert waiting(tasks) == []
    assert waiting(tasks) == ["tasks.default"]


def test_a_rolled_back_task_is_neither_stored_nor_sent(tasks: InMemoryChannelLayer) -> None:
    with transaction.atomic():
        task(functions.add).enqueue(1)
        transaction.set_rollback(True)
    assert not StoredTask.objects.exists()
    assert waiting(tasks) == []


def test_a_task_that_cannot_be_sent_is_not_stored(tasks: InMemoryChannelLayer) -> None:
    tasks.capacity = 1
    task(functions.add).enqueue(1)
    with pytest.raises(ChannelFull):
        task(functions.add).enqueue(2)
    assert StoredTask.objects.count() == 1


def test_a_transaction_of_a_consumer_sends_before_its_commit(tasks: InMemoryChannelLayer) -> None:
    due = timezone.now() + timedelta(hours=1)
    with outbox_of(tasks) as outbox:
        task(functions.add, queue_name="mail").enqueue(1)
        assert (waiting(tasks), len(outbox.operations)) == ([], 1)
        with transaction.atomic():
            task(functions.add).enqueue(2)
            task(functions.add).using(run_after=due).enqueue(3)
        assert (waiting(tasks), len(outbox.operations)) == (["tasks.default"], 1)
    assert len(tasks.admin.delayed()) == 1
    assert not StoredTask.objects.exclude(unsent_since=None).exists()


def test_a_committed_task_that_cannot_be_sent_is_sent_by_a_worker(
    tasks: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    tasks.capacity = 1
    task(functions.add).enqueue(1)
    with heard(task_enqueued) as enqueued, transaction.atomic():
        late = task(functions.add).enqueue(2)
    assert len(enqueued) == 1
    (line,) = [each for each in caplog.records if each.__dict__.get("event") == "task_unsent"]
    assert line.levelname == "WARNING"
    tasks.capacity = 10
    assert (late.status, waiting(tasks)) == (TaskResultStatus.READY, ["tasks.default"])
    send_unsent()
    assert waiting(tasks) == ["tasks.default"]  # it is left to its sender for a while
    StoredTask.objects.filter(pk=late.id).update(unsent_since=long_ago())
    send_unsent()
    send_unsent()
    assert waiting(tasks) == ["tasks.default"] * 2


def test_without_autocommit_a_worker_sends_what_was_committed(
    tasks: InMemoryChannelLayer,
) -> None:
    transaction.set_autocommit(False)
    try:
        task(functions.add).enqueue(1)
        transaction.rollback()
        with heard(task_enqueued) as enqueued:
            task(functions.add).enqueue(2)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert (waiting(tasks), len(enqueued)) == ([], 1)
    assert StoredTask.objects.exclude(unsent_since=None).count() == 1


def test_a_connection_that_breaks_after_the_send_harms_no_sender(
    tasks: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction is committed, and its other callbacks must run."""

    def fail(row: StoredTask) -> None:
        raise InterfaceError("connection already closed")  # no DatabaseError

    monkeypatch.setattr(rows, "note_sent", fail)
    committed: list[str] = []
    with transaction.atomic():
        task(functions.add).enqueue(1)
        transaction.on_commit(lambda: committed.append("next"))
    assert (committed, waiting(tasks)) == (["next"], ["tasks.default"])
    assert "connection already closed" in caplog.text


def test_unsent_tasks_are_read_without_their_arguments(tasks: InMemoryChannelLayer) -> None:
    with transaction.atomic():
        task(functions.add).enqueue(1)
    StoredTask.objects.update(unsent_since=long_ago())
    (row,) = rows.take_unsent(timezone.now(), 10)
    rows.send_now(row)
    assert row.get_deferred_fields() == set(rows.LARGE)
    assert waiting(tasks) == ["tasks.default"] * 2


def test_a_full_queue_does_not_hold_up_another(tasks: InMemoryChannelLayer) -> None:
    tasks.capacity = 1
    task(functions.add).enqueue(1)
    with transaction.atomic():
        task(functions.add).enqueue(2)
        task(functions.add, queue_name="mail").enqueue(3)
    tasks.store.streams["tasks.mail"].waiting.clear()
    StoredTask.objects.exclude(status="SUCCESSFUL").update(unsent_since=long_ago())
    with pytest.raises(ChannelFull):
        send_unsent()
    assert sorted(waiting(tasks)) == ["tasks.default", "tasks.mail"]


def test_a_task_that_a_full_channel_drops_is_sent_later(
    tasks: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"FULL_TIMEOUT": 0.1}
    tasks.capacity = 1
    task(functions.add).enqueue(1)

    def consumer(message: Any) -> None:
        task(functions.add).enqueue(2)
        task(functions.add, queue_name="mail").enqueue(3)

    Channel("work").send({})
    client = Client()
    with apply_routes([route("work", consumer)]):
        client.consume("work")
    assert sorted(waiting(tasks)) == ["tasks.default", "tasks.mail"]
    unsent = StoredTask.objects.exclude(unsent_since=None)
    assert [row.args for row in unsent] == [[2]]
    tasks.store.streams["tasks.default"].waiting.clear()
    unsent.update(unsent_since=long_ago())
    send_unsent()
    assert sorted(waiting(tasks)) == ["tasks.default", "tasks.mail"]


def long_ago() -> datetime:
    return timezone.now() - timedelta(minutes=1)


def test_lost_messages_can_be_sent_again(tasks: InMemoryChannelLayer, run: Run) -> None:
    """After Redis has lost its data: a row decides, so a message too many does no harm."""
    due = timezone.now() + timedelta(hours=1)
    results = [task(functions.add).enqueue(1), task(functions.fail_thrice).enqueue("broken")]
    task(functions.add).using(run_after=due).enqueue(2)
    run()
    run()
    StoredTask.objects.filter(status="READY").update(unsent_since=long_ago())
    send_unsent()
    assert [each.channel for each in tasks.admin.delayed()] == ["tasks.default"] * 4
    tasks.store.clock = lambda: due.timestamp() + 1
    tasks.admin.send_due()
    for _ in range(4):
        run()
    assert done == [1, "broken", "broken", 2]
    results[1].refresh()
    assert results[1].attempts == 2


def test_a_task_that_ran_as_redis_lost_its_data_can_be_sent_again(
    tasks: InMemoryChannelLayer, run: Run
) -> None:
    result = task(functions.add).enqueue(1)
    tasks.store.streams["tasks.default"].waiting.clear()
    StoredTask.objects.update(status="RUNNING", attempts=1, message_id="lost", worker_ids=["dead"])
    StoredTask.objects.filter(status="RUNNING").update(status="READY")  # as in the docs
    StoredTask.objects.filter(status="READY").update(unsent_since=long_ago())
    send_unsent()
    run()
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.SUCCESSFUL, 2)


# Signals


def test_signals(run: Run) -> None:
    with (
        heard(task_enqueued) as enqueued,
        heard(task_started) as started,
        heard(task_finished) as finished,
    ):
        result = task(functions.add).enqueue(1)
        assert [each["task_result"].id for each in enqueued] == [result.id]
        assert started == []
        run()
    (begun,), (ended,) = started, finished
    assert begun["sender"] is ended["sender"] is TaskBackend
    assert ended["task_result"].status == TaskResultStatus.SUCCESSFUL
    assert ended["task_result"].return_value == 1


def test_the_signal_of_a_failure(run: Run) -> None:
    with heard(task_finished) as finished:
        task(functions.fail).enqueue("broken")
        run()
    (ended,) = finished
    assert ended["task_result"].status == TaskResultStatus.FAILED
    assert len(ended["task_result"].errors) == 1


# Checks


def checked(settings: Settings, **given: Any) -> list[CheckMessage]:
    settings.TASKS = {"default": {"BACKEND": BACKEND, **given}}
    return list(task_backends["default"].check())


@pytest.mark.parametrize(
    ("given", "number", "text"),
    [
        ({"QUEUES": []}, "E020", "is empty"),
        ({"QUEUES": "mail"}, "E020", "is the string 'mail'"),
        ({"OPTIONS": []}, "E021", "must be a dict, not []"),
        ({"OPTIONS": {"RESULTS_KEPT": 1e12}}, "E021", "to 3,162,240,000, which is a century"),
        ({"QUEUES": ["a.high"]}, "E020", "has 'a.high'"),
        ({"QUEUES": ["x" * 89]}, "E020", "has 'xxx"),
        ({"OPTIONS": {"RETRY": 1}}, "E021", "unknown key 'RETRY'"),
        ({"OPTIONS": {"RETRIES": -1}}, "E021", "a whole number of at least 0, not -1"),
        ({"OPTIONS": {"RETRIES": 1.5}}, "E021", "a whole number"),
        ({"OPTIONS": {"RESULTS_KEPT": True}}, "E021", "a number of seconds"),
    ],
)
def test_wrong_settings_are_found(
    settings: Settings, given: dict[str, Any], number: str, text: str
) -> None:
    (found,) = checked(settings, **given)
    assert found.id == f"channels_workers.{number}"
    assert text in found.msg


def test_right_settings(settings: Settings) -> None:
    options = {"RETRIES": 3, "RETRY_PAUSE": 0.5, "LONGEST_RETRY_PAUSE": 60, "RESULTS_KEPT": 0}
    assert checked(settings, QUEUES=["x" * 88, "a-b_C"], OPTIONS=options) == []


def test_the_app_must_be_installed(tasks: InMemoryChannelLayer, settings: Settings) -> None:
    adding = task(functions.add)
    settings.INSTALLED_APPS = ["channels_workers"]
    (found,) = checked(settings)
    assert found.id == "channels_workers.E019"
    with pytest.raises(ImproperlyConfigured, match="migrate"):
        adding.enqueue(1)
