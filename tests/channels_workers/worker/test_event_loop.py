"""A worker's event loop, and tasks that consumers leave behind."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from channels_workers.worker import event_loop
from channels_workers.worker.event_loop import EventLoop
from labs.harness.waiting import wait_for


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop()
    yield loop
    assert loop.stop(time.monotonic() + 20)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt("now")])
def test_sys_exit_in_a_left_over_task_does_not_end_the_loop(
    error: BaseException, loop: EventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = []

    async def end() -> None:
        raise error

    async def leave_behind() -> None:
        tasks.append(asyncio.create_task(end()))

    async def give() -> int:
        await asyncio.sleep(0)
        return 1

    loop.run(leave_behind())
    assert loop.run(asyncio.wait_for(give(), 20)) == 1
    text = f"A left-over task of a consumer raised {type(error).__name__}"
    wait_for(lambda: text in caplog.text, "the log line")
    assert tasks[0].exception() is error


def test_left_over_tasks_are_cancelled_when_the_loop_stops(loop: EventLoop) -> None:
    cancelled = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def leave_behind() -> asyncio.Task[None]:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        return task

    task = loop.run(leave_behind())
    assert loop.stop(time.monotonic() + 20)
    assert cancelled == [True]
    assert task.cancelled()


def test_stopping_waits_a_bounded_time_for_tasks(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_loop, "CANCEL_TIMEOUT", 0.05)
    may_end = threading.Event()

    async def go_on() -> None:
        while not may_end.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    async def leave_behind() -> asyncio.Task[None]:
        return asyncio.create_task(go_on())

    task = loop.run(leave_behind())
    assert loop.stop(time.monotonic() + 20)
    assert not task.done()
    task._log_destroy_pending = False  # it cannot end any more, as its loop has ended


def test_stopping_waits_for_a_blocked_loop_until_the_deadline(loop: EventLoop) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        may_end.wait(60)

    async def leave_behind() -> None:
        asyncio.get_running_loop().call_later(0.01, block)

    loop.run(leave_behind())
    assert begun.wait(60)
    assert not loop.stop(time.monotonic() + 0.05)
    may_end.set()
