"""Tasks with `@once` on a real PostgreSQL: a worker that freezes in its transaction."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import OperationalError, connections
from pytest_django import DjangoDbBlocker, Settings

from channels_workers import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.once import once
from channels_workers.once.decorator import databases
from channels_workers.routing import get_router
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.models import StoredTask
from channels_workers.worker.dispatch import Outcome, dispatch
from chat.models import Room
from labs.harness.postgres import Postgres
from tests.channels_workers.clients import pull_one
from tests.channels_workers.consumers import TIMEOUT
from tests.channels_workers.postgres import DB, started, tables
from tests.channels_workers.tasks.functions import task

QUEUE = "tasks.default"

before = set(databases)


class Freezer:
    """The first run freezes after it has written."""

    def __init__(self) -> None:
        self.runs = 0
        self.frozen, self.thawed = threading.Event(), threading.Event()

    def run(self) -> int:
        self.runs += 1
        number = self.runs
        Room.objects.using(DB).create(name="room", label=f"run {number}")
        Channel("out").send({"run": number})
        if number == 1:
            self.frozen.set()
            assert self.thawed.wait(TIMEOUT)
        return number


freezer = Freezer()


@once(using=DB)
def freeze() -> int:
    return freezer.run()


@once(using=DB)
async def afreeze() -> int:
    number: int = await sync_to_async(freezer.run)()
    return number


@once(using=DB)
def terminate() -> str:
    """Lose the connection of the first run, as by a failover."""
    freezer.runs += 1
    Room.objects.using(DB).create(name="room", label=f"run {freezer.runs}")
    if freezer.runs == 1:
        with connections[DB].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    return "ended"


databases.intersection_update(before)  # the system checks of other tests do not look there


class InPostgres:
    """Has the rows of tasks in that database."""

    def db_for_read(self, model: Any, **hints: object) -> str | None:
        return self.db_for_write(model)

    def db_for_write(self, model: Any, **hints: object) -> str | None:
        return DB if model is StoredTask else None


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with started() as made:
        yield made


@pytest.fixture(autouse=True)
def postgres(
    server: Postgres,
    django_db_blocker: DjangoDbBlocker,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    settings.DATABASE_ROUTERS = [f"{__name__}.InPostgres"]
    monkeypatch.setitem(globals(), "freezer", Freezer())
    with django_db_blocker.unblock(), tables(server, [StoredTask, Room]):
        yield


def labels() -> list[str]:
    return list(Room.objects.using(DB).values_list("label", flat=True))


async def awaited(coroutine: Any) -> Any:
    return await coroutine


def run(delivery: Delivery, layer: InMemoryChannelLayer) -> Outcome:
    return dispatch(delivery, layer, get_router(), async_to_sync(awaited))


def again(delivery: Delivery, layer: InMemoryChannelLayer) -> Delivery:
    assert layer.requeue(delivery, counted=True) is Committed.DONE
    (found,) = layer.pull([QUEUE], "other", 0)
    return found


@pytest.mark.parametrize("function", [freeze, afreeze], ids=["def", "async def"])
def test_a_worker_that_freezes_in_its_transaction_does_nothing(
    tasks: InMemoryChannelLayer, function: Any
) -> None:
    result = task(function).enqueue()
    delivery, outcomes = pull_one(tasks, QUEUE), []

    def run_in_thread() -> None:
        try:
            outcomes.append(run(delivery, tasks))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run_in_thread)
    thread.start()
    assert freezer.frozen.wait(TIMEOUT)
    other = again(delivery, tasks)
    sent = run(other, tasks).operations
    assert tasks.commit(Finished(other, sent)) is Committed.DONE
    freezer.thawed.set()
    thread.join(TIMEOUT)
    (frozen,) = outcomes
    assert (frozen.operations, frozen.error) == (sent, None)
    assert tasks.commit(Finished(delivery)) is Committed.STALE
    result.refresh()
    assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 2)
    assert labels() == ["run 2"]
    assert [tasks.content(each) for each in tasks.pull(["out"], "listener", 0)] == [{"run": 2}]


def test_a_lost_connection_puts_the_message_off(tasks: InMemoryChannelLayer) -> None:
    result = task(terminate).enqueue()
    delivery = pull_one(tasks, QUEUE)
    outcome = run(delivery, tasks)
    assert outcome.is_put_off
    assert isinstance(outcome.error, OperationalError)
    run(again(delivery, tasks), tasks)
    result.refresh()
    assert (result.status, labels()) == (TaskResultStatus.SUCCESSFUL, ["run 2"])
