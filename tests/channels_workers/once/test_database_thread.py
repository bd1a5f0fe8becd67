import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, connections, transaction

from channels_workers.once import database_thread as module
from channels_workers.once.database_thread import database_thread
from channels_workers.worker.event_loop import EventLoop
from tests.channels_workers.consumers import TIMEOUT

pytestmark = pytest.mark.django_db(transaction=True)


async def thread() -> threading.Thread:
    return await sync_to_async(threading.current_thread)()


async def in_a_block() -> threading.Thread:
    async with database_thread():
        first, second = await thread(), await thread()
        assert first is second
        return first


@pytest.fixture
def loop() -> Any:
    made = EventLoop()
    yield made
    made.stop()


def test_runs_one_after_the_other_share_a_thread_and_its_connection(loop: EventLoop) -> None:
    first, second = loop.run(in_a_block()), loop.run(in_a_block())
    assert first is second
    assert first is not loop.run(thread())


def test_runs_side_by_side_have_threads_of_their_own(loop: EventLoop) -> None:
    both = asyncio.Barrier(2)

    async def meet() -> threading.Thread:
        async with database_thread():
            async with asyncio.timeout(TIMEOUT):
                await both.wait()
            return await thread()

    async def two() -> list[threading.Thread]:
        return await asyncio.gather(meet(), meet())

    first, second = loop.run(two())
    assert first is not second


def test_a_left_over_task_has_another_thread(loop: EventLoop) -> None:
    async def leave_a_task() -> tuple[threading.Thread, threading.Thread]:
        ended = asyncio.Event()

        async def left_over() -> threading.Thread:
            await ended.wait()
            return await thread()

        async with database_thread():
            task = asyncio.create_task(left_over())
            own = await thread()
        ended.set()
        return own, await task

    own, later = loop.run(leave_a_task())
    assert own is not later


def test_a_transaction_left_open_does_not_reach_the_next_run(loop: EventLoop) -> None:
    def begin() -> None:
        transaction.atomic().__enter__()

    async def leave_open() -> None:
        async with database_thread():
            await sync_to_async(begin)()

    async def look() -> bool:
        async with database_thread():
            return await sync_to_async(lambda: connections["default"].in_atomic_block)()

    loop.run(leave_open())
    assert loop.run(look()) is False


@pytest.mark.django_db
def test_in_a_test_it_is_the_thread_of_the_test() -> None:
    assert async_to_sync(in_a_block)() is threading.current_thread()
    assert connection.in_atomic_block


@pytest.mark.django_db
def test_in_a_test_its_connection_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    monkeypatch.setattr(type(connections["default"]), "close", closed.append)

    async def run() -> None:
        async with database_thread():
            await sync_to_async(module.close_old)()

    async_to_sync(run)()
    assert closed == []


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with an asgiref that keeps its threads elsewhere."""
    monkeypatch.setattr(module, "HAS_THREADS", False)
    monkeypatch.setattr(module, "_is_logged", threading.Event())


def test_this_asgiref_has_the_part() -> None:
    assert module.HAS_THREADS


def test_without_the_part_each_run_has_a_new_thread(
    without_threads: None, loop: EventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = loop.run(in_a_block()), loop.run(in_a_block())
    assert first is not second
    assert loop.run(thread()) not in (first, second)
    assert [record.__dict__["event"] for record in caplog.records] == ["asgiref_unknown"]


def test_without_the_part_a_run_leaves_no_connection(
    without_threads: None, loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[threading.Thread] = []
    kind = type(connections["default"])  # in memory, so that its close() does nothing
    monkeypatch.setattr(kind, "close", lambda wrapper: closed.append(threading.current_thread()))

    def open_connection() -> None:
        connections["default"].ensure_connection()

    async def query() -> threading.Thread:
        async with database_thread():
            await sync_to_async(open_connection)()
            return await thread()

    assert loop.run(query()) in closed


@pytest.mark.django_db
def test_without_the_part_a_test_keeps_its_transaction(without_threads: None) -> None:
    assert async_to_sync(in_a_block)() is threading.current_thread()
    assert connection.in_atomic_block
