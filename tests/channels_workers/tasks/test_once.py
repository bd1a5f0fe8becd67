"""Tasks with `@once`: their SQL, the end of their row and what they send happen together."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.checks import run_checks
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from channels_workers import Channel
from channels_workers.exceptions import ConsumeLater, OnceRefused
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.message import Message
from channels_workers.models import CommittedMessage
from channels_workers.once import once
from channels_workers.once import transaction as once_transaction
from channels_workers.outbox import Outbox
from channels_workers.routing import get_router
from channels_workers.tasks.api import InvalidTask, TaskResultStatus, task_finished, task_started
from channels_workers.tasks.models import StoredTask
from channels_workers.tasks.run import run_task
from channels_workers.worker.dispatch import Outcome, dispatch
from tests.channels_workers.clients import pull_one
from tests.channels_workers.conftest import heard
from tests.channels_workers.once.conftest import rooms
from tests.channels_workers.tasks import functions, once_functions
from tests.channels_workers.tasks.conftest import Run
from tests.channels_workers.tasks.functions import task

QUEUE = "tasks.default"
Act = Callable[[Any], None]

real = pytest.mark.django_db(transaction=True)
both = pytest.mark.parametrize(
    "function", [once_functions.record, once_functions.arecord], ids=["def", "async def"]
)


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Act:
    def set_it(function: Any) -> None:
        monkeypatch.setattr(once_functions, "act", function)

    return set_it


def begin(delivery: Delivery, layer: InMemoryChannelLayer) -> Outcome:
    """Run a delivery without its commit, as a worker that dies before it."""
    return dispatch(delivery, layer, get_router(), async_to_sync(awaited))


async def awaited(coroutine: Any) -> Any:
    return await coroutine


def again(delivery: Delivery, layer: InMemoryChannelLayer) -> Delivery:
    """Give a delivery to another worker, as after a death."""
    assert layer.requeue(delivery, counted=True) is Committed.DONE
    (found,) = layer.pull([QUEUE], "other", 0)
    return found


def sent(outcome: Outcome) -> list[str]:
    return [type(each).__name__ for each in outcome.operations]


def raises(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


# The end


@real
@both
def test_rows_end_and_sends_happen_together(tasks: InMemoryChannelLayer, function: Any) -> None:
    result = task(function).enqueue("a")
    with heard(task_finished) as finished, CaptureQueriesContext(connection) as statements:
        outcome = begin(pull_one(tasks, QUEUE), tasks)
    result.refresh()
    assert (result.status, outcome.error) == (TaskResultStatus.SUCCESSFUL, None)
    assert (rooms(), sent(outcome)) == (["a"], ["GroupSend"])
    assert [each["task_result"].status for each in finished] == [TaskResultStatus.SUCCESSFUL]
    first = [each["sql"].split()[0] for each in statements]
    assert first == ["SELECT", "UPDATE", "BEGIN", "INSERT", "UPDATE", "COMMIT"]
    assert CommittedMessage.objects.count() == 0


@real
@both
def test_an_error_undoes_the_rows(tasks: InMemoryChannelLayer, function: Any, act: Act) -> None:
    act(raises(ValueError("broken")))
    result = task(function).enqueue("a")
    outcome = begin(pull_one(tasks, QUEUE), tasks)
    result.refresh()
    assert (result.status, rooms()) == (TaskResultStatus.FAILED, [])
    assert sent(outcome) == ["GroupSend"]
    assert "broken" in result.errors[0].traceback


@real
@both
def test_a_value_that_is_not_json_undoes_the_rows(
    tasks: InMemoryChannelLayer, function: Any, act: Act
) -> None:
    act(object)
    result = task(function).enqueue("a")
    begin(pull_one(tasks, QUEUE), tasks)
    result.refresh()
    assert (result.status, rooms()) == (TaskResultStatus.FAILED, [])


@real
def test_a_run_that_is_repeated_sends_nothing(tasks: InMemoryChannelLayer, act: Act) -> None:
    act(raises(ValueError("broken")))
    result = task(once_functions.record_again).enqueue("a")
    dead = pull_one(tasks, QUEUE)
    outcome = begin(dead, tasks)
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.READY, 1)
    assert (rooms(), sent(outcome)) == ([], ["SendLater"])
    assert sent(begin(again(dead, tasks), tasks)) == ["SendLater"]


@real
@both
def test_a_run_that_is_put_off_does_nothing(
    tasks: InMemoryChannelLayer, function: Any, act: Act
) -> None:
    act(raises(ConsumeLater()))
    result = task(function).enqueue("a")
    first = pull_one(tasks, QUEUE)
    assert begin(first, tasks).is_put_off
    assert rooms() == []
    act(once_functions.nothing)
    begin(again(first, tasks), tasks)
    result.refresh()
    assert (result.status, rooms()) == (TaskResultStatus.SUCCESSFUL, ["a"])


@real
@both
def test_a_transaction_that_is_left_open_undoes_all(
    tasks: InMemoryChannelLayer, function: Any, act: Act
) -> None:
    act(lambda: transaction.atomic().__enter__())
    result = task(function).enqueue("a")
    begin(pull_one(tasks, QUEUE), tasks)
    result.refresh()
    assert (result.status, rooms()) == (TaskResultStatus.FAILED, [])
    assert "left a transaction open" in result.errors[0].traceback


@real
def test_a_task_is_enqueued_if_the_transaction_commits(
    tasks: InMemoryChannelLayer, act: Act
) -> None:
    def enqueue() -> None:
        task(functions.add).enqueue(len(rooms()))
        if len(rooms()) == 2:
            raise ValueError

    act(enqueue)
    for text in ("a", "b"):
        task(once_functions.record).enqueue(text)
        delivery = pull_one(tasks, QUEUE)
        begin(delivery, tasks)
        tasks.commit(Finished(delivery))
        if text == "a":
            (inner,) = tasks.pull([QUEUE], "other", 0)
            tasks.commit(Finished(inner))
    assert StoredTask.objects.filter(path__endswith=".add").count() == 1
    assert rooms() == ["a"]


# Callbacks of on_commit


@real
def test_callbacks_follow_the_commit(
    tasks: InMemoryChannelLayer,
    act: Act,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(once_transaction, "_late", set())
    statuses = []

    def callback() -> None:
        statuses.append(StoredTask.objects.get().status)
        Channel("out").send({"late": True})
        raise OperationalError("of the callback")

    act(lambda: transaction.on_commit(callback))
    task(once_functions.record).enqueue("a")
    with heard(task_finished) as finished:
        outcome = begin(pull_one(tasks, QUEUE), tasks)
    assert (statuses, rooms(), len(finished)) == (["SUCCESSFUL"], ["a"], 1)
    assert (sent(outcome), outcome.error) == (["GroupSend", "Send"], None)
    events = [each.__dict__.get("event") for each in caplog.records]
    assert "consumer_failed" in events
    assert "of the callback" in caplog.text


@real
def test_sends_of_callbacks_are_logged(
    tasks: InMemoryChannelLayer,
    act: Act,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(once_transaction, "_late", set())
    act(lambda: transaction.on_commit(lambda: Channel("out").send({"late": True})))
    task(once_functions.record).enqueue("a")
    begin(pull_one(tasks, QUEUE), tasks)
    assert "sent_late" in [each.__dict__.get("event") for each in caplog.records]


# Deaths


@real
@both
def test_what_a_task_sent_goes_out_if_its_worker_dies_at_its_end(
    tasks: InMemoryChannelLayer, function: Any
) -> None:
    task(function).enqueue("a")
    dead = pull_one(tasks, QUEUE)
    first = begin(dead, tasks)
    second = begin(again(dead, tasks), tasks)
    assert second.operations == first.operations
    assert rooms() == ["a"]


@real
@pytest.mark.parametrize("is_retried", [True, False])
@both
def test_a_lost_reply_of_the_commit_changes_nothing(
    tasks: InMemoryChannelLayer,
    function: Any,
    is_retried: bool,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    settings.CHANNEL_WORKERS = {} if is_retried else {"RETRY_ON": []}
    result = task(function).enqueue("a")
    delivery, commit = pull_one(tasks, QUEUE), connection.commit

    def lose_reply() -> None:
        monkeypatch.undo()
        commit()
        raise OperationalError("connection lost")

    monkeypatch.setattr(connection, "commit", lose_reply)
    outcome = begin(delivery, tasks)
    assert outcome.is_put_off is is_retried
    if is_retried:
        outcome = begin(again(delivery, tasks), tasks)
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.SUCCESSFUL, 1)
    assert (rooms(), sent(outcome)) == (["a"], ["GroupSend"])


@real
@both
def test_a_transaction_that_cannot_begin_puts_the_message_off(
    tasks: InMemoryChannelLayer, function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin_it(self: object) -> None:
        raise OperationalError("away")

    task(function).enqueue("a")
    delivery = pull_one(tasks, QUEUE)
    with monkeypatch.context() as patch:
        patch.setattr(once_transaction.OnceTransaction, "begin", begin_it)
        assert begin(delivery, tasks).is_put_off
    begin(again(delivery, tasks), tasks)
    assert rooms() == ["a"]


@real
@both
def test_a_worker_that_was_overtaken_does_nothing(
    tasks: InMemoryChannelLayer, function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    result = task(function).enqueue("a")
    frozen = pull_one(tasks, QUEUE)

    def freeze(**arguments: Any) -> None:
        task_started.disconnect(freeze)
        others.append(begin(again(frozen, tasks), tasks))

    others: list[Outcome] = []
    task_started.connect(freeze)
    outcome = begin(frozen, tasks)
    assert (outcome.operations, rooms()) == (others[0].operations, ["a"])
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.SUCCESSFUL, 2)
    assert "task_overtaken" in [each.__dict__.get("event") for each in caplog.records]


@real
@pytest.mark.parametrize("error", [None, ValueError("broken")], ids=["returns", "raises"])
def test_a_task_whose_row_is_deleted_does_nothing(
    tasks: InMemoryChannelLayer, act: Act, error: Exception | None
) -> None:
    def delete(**arguments: Any) -> None:
        StoredTask.objects.all().delete()

    act(raises(error) if error else once_functions.nothing)
    task(once_functions.record_again).enqueue("a")
    task_started.connect(delete)
    try:
        outcome = begin(pull_one(tasks, QUEUE), tasks)
    finally:
        task_started.disconnect(delete)
    assert (outcome.operations, outcome.error, rooms()) == ([], None, [])


@real
async def test_a_stop_undoes_a_coroutine(
    tasks: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()
    monkeypatch.setattr(once_functions, "waits", waits)
    result = await task(once_functions.write_and_wait).aenqueue("a")
    delivery = pull_one(tasks, QUEUE)
    message = Message(tasks.content(delivery), QUEUE, tasks, delivery)
    with Outbox(tasks, delivery) as outbox:
        coroutine = await sync_to_async(run_task)(message)
        assert coroutine is not None
        running = asyncio.create_task(coroutine)
        await asyncio.wait_for(waits.wait(), 60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert outbox.transaction is None
    await result.arefresh()
    assert result.status == TaskResultStatus.RUNNING
    assert await sync_to_async(rooms)() == []


# What is refused


@real
def test_another_database_is_refused(
    tasks: InMemoryChannelLayer, settings: Settings, act: Act
) -> None:
    with pytest.raises(InvalidTask, match="'other', and rows of tasks are in 'default'"):
        task(once_functions.elsewhere).enqueue()
    task(functions.add).enqueue(1)
    StoredTask.objects.update(path=f"{once_functions.__name__}.elsewhere", args=[])
    begin(pull_one(tasks, QUEUE), tasks)
    row = StoredTask.objects.get()
    assert (row.status, "OnceRefused" in str(row.errors)) == (TaskResultStatus.FAILED, True)
    found = [each for each in run_checks() if each.id == "channels_workers.E023"]
    assert ["'other'" in each.msg for each in found] == [True]


def test_once_stands_below_task(tasks: InMemoryChannelLayer) -> None:
    made: Any = task(functions.add)
    with pytest.raises(TypeError, match="below @task"):
        once(made)


@real
def test_sends_that_cannot_wait_are_refused(tasks: InMemoryChannelLayer, act: Act) -> None:
    act(lambda: Channel("out").send({}, immediately=True))
    result = task(once_functions.record).enqueue("a")
    begin(pull_one(tasks, QUEUE), tasks)
    result.refresh()
    assert result.errors[0].exception_class is OnceRefused
    assert rooms() == []


@real
def test_calls_with_once_are_part_of_the_task(tasks: InMemoryChannelLayer, act: Act) -> None:
    task(once_functions.record_in_parts).enqueue("a")
    delivery = pull_one(tasks, QUEUE)
    begin(delivery, tasks)
    tasks.commit(Finished(delivery))
    act(raises(ValueError()))
    task(once_functions.record_in_parts).enqueue("b")
    begin(pull_one(tasks, QUEUE), tasks)
    assert rooms() == ["a 1", "a 2"]


# Elsewhere than in a worker


@real
def test_a_call_runs_in_a_transaction(act: Act) -> None:
    act(raises(ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        once_functions.record("a")
    assert rooms() == []


@pytest.mark.django_db
@both
def test_a_test_in_a_transaction(
    tasks: InMemoryChannelLayer,
    run: Run,
    function: Any,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        result = task(function).enqueue("a")
    with heard(task_finished) as finished:
        run()
    result.refresh()
    assert (result.status, rooms(), len(finished)) == (TaskResultStatus.SUCCESSFUL, ["a"], 1)
