"""A worker's event loop, and tasks that consumers leave behind."""

import asyncio
import concurrent.futures
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


# Time-outs, and whether the loop answers


def test_without_a_coroutine_nothing_is_cancelled(loop: EventLoop) -> None:
    assert not loop.time_out(threading.get_ident(), 1.0)
    assert loop.blocked_for() == 0.0
    loop.run(asyncio.sleep(0))
    assert not loop.time_out(threading.get_ident(), 1.0)


def test_the_loop_answers(loop: EventLoop) -> None:
    loop.run(asyncio.sleep(0))
    assert loop.blocked_for() == 0.0
    wait_for(lambda: loop.blocked_for() == 0.0, "the answer")
    assert loop.stop(time.monotonic() + 20)
    wait_for(lambda: loop.blocked_for() == 0.0, "the last answer")
    assert loop.blocked_for() == 0.0, "a closed loop blocks nobody"


def test_a_coroutine_that_has_not_begun_cannot_be_cancelled() -> None:
    coroutine = asyncio.sleep(0)
    event_loop.CoroutineRun(coroutine).cancel()
    coroutine.close()


def test_a_cancellation_of_its_own_is_no_time_out(loop: EventLoop) -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    with pytest.raises(concurrent.futures.CancelledError):
        loop.run(cancel())
    assert not loop.runs


def test_a_coroutine_may_catch_the_time_out(loop: EventLoop) -> None:
    begun = threading.Event()

    async def patient() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "caught"
        raise AssertionError("it ended without a time-out")

    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(loop.run(patient())))
    thread.start()
    assert begun.wait(60)
    assert loop.time_out(thread.ident or 0, 1.0)
    thread.join(60)
    assert results == ["caught"]
