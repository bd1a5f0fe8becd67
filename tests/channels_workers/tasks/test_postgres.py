"""Tasks with `@once` on a real PostgreSQL: a worker that freezes in its transaction."""

import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections, transaction
from pytest_django import DjangoDbBlocker, Settings

from channels_workers import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.once import database_thread, once
from channels_workers.once.decorator import databases
from channels_workers.routing import get_router
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.models import StoredTask
from channels_workers.worker.dispatch import Outcome, dispatch
from channels_workers.worker.event_loop import EventLoop
from chat.models import Room
from labs.harness.postgres import Postgres
from labs.harness.waiting import wait_for
from tests.channels_workers.clients import pull_one
from tests.channels_workers.consumers import TIMEOUT
from tests.channels_workers.postgres import DB, database, running_server
from tests.channels_workers.tasks.functions import task

QUEUE = "tasks.default"

before = set(databases)


class Freezer:
    """The first run freezes after it has written."""

    def __init__(self) -> None:
        self.runs = 0
        self.frozen, self.thawed = threading.Event(), threading.Event()
        self.used: list[Any] = []
        self.server: Any = None

    def run(self) -> int:
        self.runs += 1
        number = self.runs
        Room.objects.using(DB).create(name="room", label=f"run {number}")
        Channel("out").send({"run": number})
        if number == 1:
            self.frozen.set()
            assert self.thawed.wait(TIMEOUT)
        return number

    def is_there(self, process: int) -> bool:
        """Whether the server still has this connection."""
        with self.server.owner() as owner:
            query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            return bool(owner.execute(query, [process]).fetchall() == [(1,)])


freezer = Freezer()


@once(using=DB)
def freeze() -> int:
    return freezer.run()


@once(using=DB)
async def afreeze() -> int:
    number: int = await sync_to_async(freezer.run)()
    return number


@once(using=DB)
def idle() -> str:
    """In the first run, let the server end the connection: it has an error of its own for that."""
    freezer.runs += 1
    Room.objects.using(DB).create(name="room", label=f"run {freezer.runs}")
    if freezer.runs == 1:
        with connections[DB].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            process = cursor.fetchone()[0]
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        wait_for(lambda: not freezer.is_there(process), "the end of the connection")
    return "ended"


@once(using=DB)
def leave_open() -> None:
    Room.objects.using(DB).create(name="room", label="lost")
    transaction.atomic("default").__enter__()


@once(using=DB)
async def look() -> int:
    def number() -> int:
        found = connections[DB]
        found.ensure_connection()
        freezer.used.append(found)
        found.close_at = math.inf  # as with CONN_MAX_AGE
        pid: int = found.connection.info.backend_pid
        return pid

    found: int = await sync_to_async(number)()
    return found


databases.intersection_update(before)  # the system checks of other tests do not look there


class InPostgres:
    """Has the rows of tasks in that database."""

    def db_for_read(self, model: Any, **hints: object) -> str | None:
        return self.db_for_write(model)

    def db_for_write(self, model: Any, **hints: object) -> str | None:
        return DB if model is StoredTask else None


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_server() as made:
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
    freezer.server = server
    with django_db_blocker.unblock():
        forget_servers()
        with database(server, StoredTask, Room):
            yield
            forget_servers()


def forget_servers() -> None:
    """Close the connections of threads that are kept: each server has another address."""

    def forget() -> None:
        for connection in connections.all(initialized_only=True):
            if connection.alias == DB:
                connection.close()
                del connections[DB]

    for thread in list(database_thread._threads._idle):
        thread.submit(forget).result()


def labels() -> list[str]:
    return list(Room.objects.using(DB).values_list("label", flat=True))


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    made = EventLoop()
    yield made
    made.stop()


def run(delivery: Delivery, layer: InMemoryChannelLayer, loop: EventLoop) -> Outcome:
    return dispatch(delivery, layer, get_router(), loop.run)


def again(delivery: Delivery, layer: InMemoryChannelLayer) -> Delivery:
    assert layer.requeue(delivery, counted=True) is Committed.DONE
    (found,) = layer.pull([QUEUE], "other", 0)
    return found


@pytest.mark.parametrize("function", [freeze, afreeze], ids=["def", "async def"])
def test_a_worker_that_freezes_in_its_transaction_does_nothing(
    tasks: InMemoryChannelLayer, loop: EventLoop, function: Any
) -> None:
    result = task(function).enqueue()
    delivery, outcomes = pull_one(tasks, QUEUE), []

    def run_in_thread() -> None:
        try:
            outcomes.append(run(delivery, tasks, loop))
        finally:
            connections.close_all()

    thread = threading.Thread(target=run_in_thread)
    thread.start()
    assert freezer.frozen.wait(TIMEOUT)
    other = again(delivery, tasks)
    sent = run(other, tasks, loop).operations
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


def test_a_lost_connection_puts_the_message_off(
    tasks: InMemoryChannelLayer, loop: EventLoop
) -> None:
    result = task(idle).enqueue()
    delivery = pull_one(tasks, QUEUE)
    outcome = run(delivery, tasks, loop)
    assert outcome.is_put_off
    assert isinstance(outcome.error, OperationalError)
    run(again(delivery, tasks), tasks, loop)
    result.refresh()
    assert (result.status, labels()) == (TaskResultStatus.SUCCESSFUL, ["run 2"])


def test_a_transaction_of_another_database_that_is_left_open_undoes_all(
    tasks: InMemoryChannelLayer, loop: EventLoop
) -> None:
    result = task(leave_open).enqueue()
    run(pull_one(tasks, QUEUE), tasks, loop)
    result.refresh()
    assert (result.status, labels()) == (TaskResultStatus.FAILED, [])
    assert "left a transaction open" in result.errors[0].traceback


def test_a_coroutine_begins_with_no_old_connection(
    tasks: InMemoryChannelLayer, loop: EventLoop
) -> None:
    pids = []
    for _ in range(3):
        result = task(look).enqueue()
        delivery = pull_one(tasks, QUEUE)
        run(delivery, tasks, loop)
        tasks.commit(Finished(delivery))
        result.refresh()
        pids.append(result.return_value)
        if len(pids) == 2:
            freezer.used[0].close_at = 0.0  # as after a long time without messages
    assert pids[0] == pids[1] != pids[2]
