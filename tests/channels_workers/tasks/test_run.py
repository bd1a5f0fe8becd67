"""Runs of tasks: again after an error, after a death, and never after the end."""

import asyncio
import logging
import threading
from datetime import timedelta
from typing import Any

import msgpack
import pytest
from asgiref.sync import sync_to_async
from django.db import ProgrammingError
from django.utils import timezone
from pytest_django import Settings

from channels_workers.exceptions import ConsumeLater, OnceRefused
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.message import Message
from channels_workers.once import decorator
from channels_workers.routing import get_router
from channels_workers.tasks import retry, rows
from channels_workers.tasks.api import TaskResultStatus, task_finished, task_started
from channels_workers.tasks.keeper import Keeper, send_unsent
from channels_workers.tasks.models import StoredTask
from channels_workers.tasks.run import run_task
from channels_workers.worker.dispatch import Outcome, dispatch
from tests.channels_workers.clients import pull_one
from tests.channels_workers.conftest import heard
from tests.channels_workers.consumers import not_called
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.conftest import BACKEND, Run
from tests.channels_workers.tasks.functions import done, task

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "tasks.default"


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()


def pass_time(layer: InMemoryChannelLayer, seconds: float) -> int:
    """Send what is due so many seconds from now; return how many messages it was."""
    now = layer.store.clock()
    layer.store.clock = lambda: now + seconds
    before = len(layer.admin.delayed())
    layer.admin.send_due()
    return before - len(layer.admin.delayed())


def begin(delivery: Delivery, layer: InMemoryChannelLayer) -> Outcome:
    """Run a delivery without its commit, as a worker that dies before it."""
    return dispatch(delivery, layer, get_router(), not_called)


def commit(delivery: Delivery, outcome: Outcome, layer: InMemoryChannelLayer) -> Committed:
    return layer.commit(Finished(delivery, outcome.operations, outcome.session))


def hand_over(delivery: Delivery, layer: InMemoryChannelLayer) -> Delivery:
    """Give a delivery to another worker, as after a death."""
    assert layer.requeue(delivery, counted=True) is Committed.DONE
    (again,) = layer.pull([QUEUE], "other", 0)
    return again


# Retries


def test_a_task_runs_again_with_growing_pauses(tasks: InMemoryChannelLayer, run: Run) -> None:
    result = task(functions.fail_thrice).enqueue("broken")
    run()
    result.refresh()
    assert (result.status, len(result.errors)) == (TaskResultStatus.READY, 1)
    assert pass_time(tasks, 9) == 0
    assert pass_time(tasks, 2) == 1
    run()
    assert pass_time(tasks, 19) == 0
    assert pass_time(tasks, 2) == 1
    run()
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 3)
    assert [error.exception_class for error in result.errors] == [ValueError] * 3
    assert done == ["broken"] * 3
    assert tasks.admin.delayed() == []


def test_other_exceptions_are_final(tasks: InMemoryChannelLayer, run: Run) -> None:
    result = task(functions.fail_otherwise).enqueue("broken")
    run()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED


def test_options_are_for_tasks_without_a_policy(
    tasks: InMemoryChannelLayer, run: Run, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"RETRIES": 1, "RETRY_PAUSE": 0}
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": options}}
    result = task(functions.fail).enqueue("broken")
    run()
    (line,) = [each for each in caplog.records if each.__dict__.get("event")]
    assert (line.levelname, line.__dict__["event"]) == ("WARNING", "task_failed_for_now")
    assert tasks.admin.delayed() == []
    run()
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 2)


def test_the_retry_of_a_queue_and_priority_goes_there(
    tasks: InMemoryChannelLayer, run: Run
) -> None:
    task(functions.fail_thrice, queue_name="mail", priority=3).enqueue("broken")
    run("mail", 3)
    assert [each.channel for each in tasks.admin.delayed()] == ["tasks.mail.high"]


def test_a_task_that_filled_its_outbox_runs_again(
    tasks: InMemoryChannelLayer, run: Run, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"OUTBOX_OPERATIONS": 1}
    result = task(functions.fail_thrice).enqueue("broken")
    run()
    assert [each.channel for each in tasks.admin.delayed()] == [QUEUE]
    assert pass_time(tasks, 11) == 1
    run()
    result.refresh()
    assert result.attempts == 2


def test_a_retry_whose_message_is_dropped_is_sent_again(
    tasks: InMemoryChannelLayer, run: Run
) -> None:
    """As by a commit that finds the channel of delayed messages full for too long."""
    result = task(functions.fail_thrice).enqueue("broken")
    delivery = pull_one(tasks, QUEUE)
    begin(delivery, tasks)
    tasks.commit(Finished(delivery))
    send_unsent()
    assert tasks.admin.delayed() == []  # it is not due
    long_ago = timezone.now() - timedelta(seconds=11)
    StoredTask.objects.exclude(unsent_since=None).update(
        unsent_since=long_ago, next_attempt_at=long_ago
    )
    for _ in range(2):
        send_unsent()
    run()
    result.refresh()
    assert result.attempts == 2
    assert tasks.pull([QUEUE], "other", 0) == []


def test_an_error_with_text_that_no_database_stores(tasks: InMemoryChannelLayer, run: Run) -> None:
    result = task(functions.raise_odd_text).enqueue()
    logging.disable()  # xdist cannot report a log with surrogates
    try:
        run()
    finally:
        logging.disable(logging.NOTSET)
    result.refresh()
    (error,) = result.errors
    assert "a\N{REPLACEMENT CHARACTER}b\\ud800c" in error.traceback


@pytest.mark.parametrize("name", ["find", "fail"])
@pytest.mark.parametrize("function", [functions.fail, functions.afail])
def test_no_error_of_the_database_ends_the_message(
    tasks: InMemoryChannelLayer, name: str, function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a worker that starts before `migrate`: the row would never end."""

    def raise_it(*args: Any) -> None:
        raise ProgrammingError('column "effects" does not exist')

    task(function).enqueue("broken")
    monkeypatch.setattr(rows, name, raise_it)
    outcome = dispatch(pull_one(tasks, QUEUE), tasks, get_router(), asyncio.run)
    assert outcome.is_put_off
    assert "does not exist" in str(outcome.error)


def test_a_row_does_not_grow_without_end() -> None:
    row = StoredTask(backend="default", errors=[{"number": number} for number in range(100)])
    row.save()
    trace = rows.error_of(ValueError(), "a" * 100_000 + "b" * 100_000)
    assert rows.put_off(row, trace, timezone.now())
    assert len(row.errors) == 100
    assert row.errors[0] == {"number": 1}
    stored = row.errors[-1]["traceback"]
    assert len(stored) == 100_005
    assert (stored[0], stored[-1]) == ("a", "b")


def test_wrong_policies() -> None:
    with pytest.raises(ValueError, match="from 0 on"):
        retry(-1)
    with pytest.raises(ValueError, match="from 0 on"):
        retry(1, pause=float("nan"))
    with pytest.raises(TypeError, match="below @task"):
        retry(1)(object())  # type: ignore[type-var]


# As other messages


def test_consume_later_puts_the_message_off(tasks: InMemoryChannelLayer, run: Run) -> None:
    result = task(functions.later).enqueue()
    with pytest.raises(ConsumeLater):
        run()
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.RUNNING, 1)
    for _ in range(9):
        with pytest.raises(ConsumeLater):
            run()
    run()
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 11)
    assert [error.exception_class for error in result.errors] == [ConsumeLater]


def test_a_lost_database_puts_the_message_off(
    tasks: InMemoryChannelLayer, run: Run, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RETRIES": 1}
    result = task(functions.lose_database).enqueue()
    with pytest.raises(Exception, match="closed the connection"):
        run()
    run()
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 2)


def test_what_a_task_sends_goes_out_with_its_message(tasks: InMemoryChannelLayer) -> None:
    task(functions.fail).enqueue("broken")
    outcome = begin(pull_one(tasks, QUEUE), tasks)
    assert [type(each).__name__ for each in outcome.operations] == ["GroupSend"]
    assert outcome.error is None


# Deaths


def test_a_worker_that_dies_in_a_task_is_followed_by_another(
    tasks: InMemoryChannelLayer,
) -> None:
    result = task(functions.later).enqueue()
    dead = pull_one(tasks, QUEUE)
    begin(dead, tasks)  # which leaves the row as a death does
    StoredTask.objects.update(path="tests.channels_workers.tasks.functions.clock")
    again = hand_over(dead, tasks)
    assert commit(again, begin(again, tasks), tasks) is Committed.DONE
    result.refresh()
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.worker_ids == [dead.consumer, "other"]


def test_a_task_that_has_ended_does_not_run_again(
    tasks: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    result = task(functions.add).enqueue(1)
    dead = pull_one(tasks, QUEUE)
    begin(dead, tasks)  # dies before the commit
    again = hand_over(dead, tasks)
    with caplog.at_level(logging.INFO), heard(task_started) as started:
        commit(again, begin(again, tasks), tasks)
    assert (done, started) == ([1], [])
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.SUCCESSFUL, 1)
    assert "it is SUCCESSFUL already" in caplog.text


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (functions.tell, ["GroupSend"]),
        (functions.fail, ["GroupSend"]),
        (functions.fail_thrice, ["GroupSend", "SendLater"]),
    ],
)
def test_what_a_task_sent_goes_out_if_its_worker_dies_at_its_end(
    tasks: InMemoryChannelLayer, function: Any, kinds: list[str]
) -> None:
    task(function).enqueue("hello")
    dead = pull_one(tasks, QUEUE)
    sent = begin(dead, tasks).operations
    again = begin(hand_over(dead, tasks), tasks)
    assert [type(each).__name__ for each in again.operations] == kinds
    assert again.operations[0] == sent[0]
    assert done == ["hello"]


def test_effects_of_another_release_wait_for_a_worker_of_it(tasks: InMemoryChannelLayer) -> None:
    task(functions.tell).enqueue("hello")
    dead = pull_one(tasks, QUEUE)
    begin(dead, tasks)
    StoredTask.objects.update(effects=msgpack.packb([99, [], [], None]))
    outcome = begin(hand_over(dead, tasks), tasks)
    assert outcome.is_put_off
    assert "the format 99" in str(outcome.error)


@pytest.mark.parametrize("error", ["", "broken"])
@pytest.mark.parametrize(
    "function", [functions.leave_a_transaction, functions.aleave_a_transaction]
)
def test_a_transaction_that_a_task_leaves_open_does_not_undo_its_end(
    tasks: InMemoryChannelLayer, function: Any, error: str
) -> None:
    result = task(function).enqueue(error)
    dispatch(pull_one(tasks, QUEUE), tasks, get_router(), asyncio.run)
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    (stored,) = result.errors
    assert (error or "The task left a transaction open") in stored.traceback


def test_once_is_refused_within_a_task(
    tasks: InMemoryChannelLayer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its second run would get None, also if the first one had raised."""
    monkeypatch.setattr(decorator, "databases", set())
    monkeypatch.setattr(functions, "act", decorator.once(done.append))
    result = task(functions.acted, takes_context=True).enqueue()
    run()
    result.refresh()
    (error,) = result.errors
    assert error.exception_class is OnceRefused
    assert "Write @once on the function of the task" in error.traceback
    assert done == []


def test_a_worker_that_was_overtaken_changes_nothing(
    tasks: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    result = task(functions.add).enqueue(1)
    frozen = pull_one(tasks, QUEUE)

    def freeze(**arguments: Any) -> None:
        task_started.disconnect(freeze)
        again = hand_over(frozen, tasks)
        commit(again, begin(again, tasks), tasks)

    task_started.connect(freeze)
    assert commit(frozen, begin(frozen, tasks), tasks) is Committed.STALE
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.SUCCESSFUL, 2)
    (line,) = [each for each in caplog.records if each.__dict__.get("event") == "task_overtaken"]
    assert line.levelname == "WARNING"


def test_a_worker_that_dies_before_it_sends_the_retry_is_followed_by_one_that_does(
    tasks: InMemoryChannelLayer,
) -> None:
    result = task(functions.fail_thrice).enqueue("broken")
    dead = pull_one(tasks, QUEUE)
    begin(dead, tasks)
    again = hand_over(dead, tasks)
    commit(again, begin(again, tasks), tasks)
    assert done == ["broken"]
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.READY, 1)
    assert pass_time(tasks, 9) == 0
    assert pass_time(tasks, 2) == 1


def test_a_second_message_does_not_run_a_task_that_runs(tasks: InMemoryChannelLayer) -> None:
    task(functions.later).enqueue()
    first = pull_one(tasks, QUEUE)
    begin(first, tasks)
    tasks.apply([tasks.make_send(QUEUE, tasks.content(first))])
    (second,) = tasks.pull([QUEUE], "other", 0)
    assert commit(second, begin(second, tasks), tasks) is Committed.DONE
    assert done == ["later"]


def test_a_task_without_a_row_is_logged(
    tasks: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    task(functions.add).enqueue(1)
    StoredTask.objects.all().delete()
    with caplog.at_level(logging.INFO):
        begin(pull_one(tasks, QUEUE), tasks)
    assert "its row does not exist" in caplog.text
    assert done == []


def test_a_decorated_function_is_found_by_its_name(tasks: InMemoryChannelLayer, run: Run) -> None:
    result = functions.decorated.using(queue_name="mail", priority=-5).enqueue()
    run("mail", -5)
    result.refresh()
    assert result.return_value == "decorated"
    found = functions.decorated.get_result(result.id).task
    assert (found.queue_name, found.priority) == ("mail", -5)


def test_a_receiver_that_raises_harms_no_task(
    tasks: InMemoryChannelLayer, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**arguments: Any) -> None:
        raise RuntimeError("of a receiver")

    result = task(functions.add).enqueue(1)
    task_finished.connect(fail)
    try:
        run()
    finally:
        task_finished.disconnect(fail)
    result.refresh()
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert "receiver_failed" in {each.__dict__.get("event") for each in caplog.records}


async def test_a_coroutine_that_a_stop_cancels_has_not_failed(tasks: InMemoryChannelLayer) -> None:
    result = await task(functions.wait).aenqueue()
    delivery = pull_one(tasks, QUEUE)
    message = Message(tasks.content(delivery), QUEUE, tasks, delivery)
    coroutine = await sync_to_async(run_task)(message)
    assert coroutine is not None
    running = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    assert done == ["waits"]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await result.arefresh()
    assert (result.status, result.errors) == (TaskResultStatus.RUNNING, [])


def test_a_coroutine_that_cancels_itself_has_failed(run: Run) -> None:
    result = task(functions.cancel_itself).enqueue()
    run()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED


class Replicas:
    """Reads from a database that is not there: a replica may not have the row yet."""

    def db_for_read(self, model: object, **hints: object) -> str:
        return "replica"

    def db_for_write(self, model: object, **hints: object) -> str:
        return "default"


def test_rows_are_read_where_they_are_written(
    tasks: InMemoryChannelLayer, run: Run, settings: Settings
) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Replicas"]
    result = task(functions.add).enqueue(1)
    run()
    result.refresh()
    assert result.status == TaskResultStatus.SUCCESSFUL
    send_unsent()
    Keeper(tasks, threading.Event()).sweep()


# Tasks that cannot start


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"path": "missing.module.task"}, "No module named 'missing'"),
        ({"backend": "gone"}, "'gone' doesn't exist"),
        ({"queue": "gone"}, "'gone' is not valid"),
    ],
)
def test_a_task_that_cannot_start_has_failed(
    tasks: InMemoryChannelLayer,
    changes: dict[str, str],
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task(functions.add).enqueue(1)
    StoredTask.objects.update(**changes)
    begin(pull_one(tasks, QUEUE), tasks)
    row = StoredTask.objects.get()
    assert row.status == TaskResultStatus.FAILED
    assert text in row.errors[0]["traceback"].replace('"', "'")
    assert text in caplog.text.replace('"', "'")
