"""The consumer of tasks: runs one, and stores what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from inspect import iscoroutinefunction
from traceback import format_exception
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseTrouble
from django.db import OperationalError
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from channels_workers.effects import decode
from channels_workers.logs import fields
from channels_workers.message import Message
from channels_workers.once.database_thread import close_old, database_thread
from channels_workers.once.decorator import database_of
from channels_workers.outbox import running
from channels_workers.tasks import rows
from channels_workers.tasks.api import (
    AnyResult,
    AnyTask,
    TaskContext,
    TaskResultStatus,
    normalize_json,
    task_backends,
    task_finished,
    task_started,
)
from channels_workers.tasks.backend import TaskBackend
from channels_workers.tasks.models import StoredTask
from channels_workers.tasks.options import Options
from channels_workers.tasks.outcomes import note_end, note_overtaken, note_retry
from channels_workers.tasks.retries import policy_of
from channels_workers.tasks.transactions import (
    REFUSED,
    Overtaken,
    TaskTransaction,
    effects,
    once_of,
)
from channels_workers.tracing import hooks
from channels_workers.transient import is_put_off
from channels_workers.worker.isolation import end_transactions, open_transactions
from channels_workers.worker.retries import is_last

logger = logging.getLogger(__name__)


class Run(NamedTuple):
    """One run of a task: its *row* says RUNNING, and *message* is what the worker holds.

    It runs in the transaction *once*, if it has ``@once``. *began_in* are the databases with a
    transaction that is not its own, as of a test.
    """

    message: Message
    row: StoredTask
    task: AnyTask
    result: AnyResult
    once: TaskTransaction | None
    began_in: Sequence[str]


@contextmanager
def keeping_the_message() -> Iterator[None]:
    """Let the message run again after any error of the database, such as a missing column.

    Else it would be gone, and its row would never end.
    """
    try:
        yield
    except DatabaseTrouble as error:
        if is_put_off(error):
            raise
        raise OperationalError(f"The row of a task: {error}") from error


def run_task(message: Message) -> Coroutine[Any, Any, None] | None:
    """Run the task of *message*. That of a coroutine function is left to the worker's event loop.

    At least one run of each task ends. One that has ended does not run again.
    """
    row = _claim(message)
    if row is None:
        return None
    if hooks.active is not None:
        hooks.active.note_task(row.path)
    if (outbox := running()) is not None:
        outbox.once_refused = REFUSED
    try:
        task = rows.task_of(row)
        result, once = rows.result_of(row, task), once_of(task, row)
        run = Run(message, row, task, result, once, open_transactions())
        task_started.send(sender=_sender(row), task_result=run.result)
    except Exception as error:  # noqa: BLE001  (stored in the row)
        _end_failed(message, row, None, error)
        return None
    if iscoroutinefunction(task.func):
        return _arun(run) if once is None else _arun_once(run, once)
    _run(run) if once is None else _run_once(run, once)
    return None


def _run(run: Run) -> None:
    try:
        value = call_task(run)
    except BaseException as error:  # noqa: BLE001  (sys.exit() ends one task only)
        _fail(run, error)
    else:
        _end(run, value)


async def _arun(run: Run) -> None:
    try:
        value = await acall_task(run)
    except BaseException as error:
        if _is_cancelled():
            raise  # the worker stops, and the message goes to another one
        await sync_to_async(_fail)(run, error)
    else:
        await sync_to_async(_end)(run, value)


def _run_once(run: Run, once: TaskTransaction) -> None:
    try:
        once.begin()
        within = open_transactions()
        value = call_task(run)
        _refuse_left_open(within)
    except BaseException as error:  # noqa: BLE001  (as above)
        failure: BaseException | None = once.roll_back(error)
    else:
        failure = once.commit(value)
    _end_once(run, once, failure)


async def _arun_once(run: Run, once: TaskTransaction) -> None:
    async with database_thread():
        failure = await _acall_once(run, once)
    if failure is not None and _is_cancelled():
        raise failure
    await sync_to_async(_end_once)(run, once, failure)


async def _acall_once(run: Run, once: TaskTransaction) -> BaseException | None:
    try:
        await sync_to_async(_begin)(once)
        value = await acall_task(run)
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001  (as above)
        return await sync_to_async(once.roll_back)(error)
    return await sync_to_async(once.commit)(value)


def _begin(once: TaskTransaction) -> None:
    close_old()
    once.begin()


def _is_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def call_task(run: Run) -> Any:
    """Call the function of the task; the one place that does so for ``def``."""
    return run.task.func(*_arguments(run), **run.result.kwargs)


async def acall_task(run: Run) -> Any:
    """Call the function of the task; the one place that does so for ``async def``."""
    return await run.task.func(*_arguments(run), **run.result.kwargs)


def _arguments(run: Run) -> list[Any]:
    context = [TaskContext(task_result=run.result)] if run.task.takes_context else []
    return [*context, *run.result.args]


# Before the run


@keeping_the_message()
def _claim(message: Message) -> StoredTask | None:
    """Return the row of *message*, running now; None if there is nothing to run."""
    worker_id = message.delivery.consumer if message.delivery else ""
    while True:
        row = rows.find(message["task"])
        if row is None or row.is_finished or message["failures"] < row.failures:
            _skip(message, row)
            return None
        if row.status == TaskResultStatus.RUNNING and row.message_id != message.id:
            _log_skipped(message, "another message runs it")
            return None
        if rows.begin(row, message.id, worker_id):
            return row


def _skip(message: Message, row: StoredTask | None) -> None:
    if row is None:
        _log_skipped(message, "its row does not exist, or is not committed yet")
        return
    if row.is_finished:
        _log_skipped(message, f"it is {row.status} already")
    if row.status != TaskResultStatus.RUNNING and message.id == row.message_id:
        # The worker died after the end of the run, and before the commit of its message.
        _send_effects(row)
        if not row.is_finished:
            rows.send_past_limits(row)


def _send_effects(row: StoredTask) -> None:
    """Let what the last run sent go out with the commit of this message."""
    outbox = running()
    if outbox is None or row.effects is None:
        return
    try:
        outbox.operations[:] = decode(bytes(row.effects)).operations
    except ValueError as error:  # a worker of the other release may be next
        raise OperationalError(str(error)) from error


def _log_skipped(message: Message, why: str) -> None:
    text, extra = "Task %s does not run for message %s: %s", _fields("task_skipped", message)
    logger.info(text, message["task"], message.id, why, extra=extra)


# After the run


def _end(run: Run, value: Any) -> None:
    try:
        _refuse_left_open(run.began_in)
        is_ours = rows.succeed(run.row, normalize_json(value), effects())
    except Exception as error:  # noqa: BLE001  (a value that cannot be stored fails the task)
        _fail(run, error)
        return
    _finish(run.message, run.row, run.result, is_ours)


def _fail(run: Run, error: BaseException) -> None:
    if set(open_transactions()).difference(run.began_in):
        end_transactions(run.began_in, run.row.path)  # the end of the row must not be part of it
    _end_failed(run.message, run.row, run.result, error)


def _refuse_left_open(before: Sequence[str]) -> None:
    if set(open_transactions()).difference(before):
        raise TransactionManagementError("The task left a transaction open.")


@keeping_the_message()
def _end_failed(
    message: Message,
    row: StoredTask,
    result: AnyResult | None,
    error: BaseException,
) -> None:
    """Store *error*, and let the task run again or end. It is raised if the worker repeats it."""
    if is_put_off(error) and message.delivery and not is_last(message.delivery, error):
        note_retry(row)
        raise error
    if hooks.active is not None:
        hooks.active.note_failure(error)
    stored = rows.error_of(error, "".join(format_exception(error)))
    policy = policy_of(result and result.task.func, _options(row))
    pause = policy.pause_after(row.failures, error)
    if pause is None:
        _finish(message, row, result, rows.fail(row, stored, effects()))
        return
    if _is_once(result):
        _drop_sends()  # the next run sends them again
    if rows.put_off(row, stored, timezone.now() + timedelta(seconds=pause), effects()):
        rows.send_past_limits(row)
        note_retry(row)
        _log_put_off(message, row, error, pause)
    else:
        _yield(message, row, result)


def _end_once(run: Run, once: TaskTransaction, failure: BaseException | None) -> None:
    """Do what is left when the transaction has ended, with *failure* or an error after it."""
    if once.ended is not None:
        if failure is not None:
            _log_callback(run, failure)
        _finish(run.message, once.ended, run.result, is_ours=True)
    elif isinstance(failure, Overtaken):
        _yield(run.message, run.row, run.result)
    elif failure is not None:
        _fail(run, failure)


def _is_once(result: AnyResult | None) -> bool:
    return result is not None and database_of(result.task.func) is not None


def _drop_sends() -> None:
    if (outbox := running()) is not None:
        outbox.operations.clear()


def _yield(message: Message, row: StoredTask, result: AnyResult | None) -> None:
    """Leave *row* to another run. With ``@once`` nothing of this one happens.

    The other run may be this one: its commit succeeded, and the reply was lost.
    """
    note_overtaken(row)
    _log_overtaken(message)
    if _is_once(result):
        _drop_sends()
        _skip(message, rows.find(message["task"]))


def _options(row: StoredTask) -> Options:
    try:
        backend = task_backends[row.backend]
    except ImproperlyConfigured:  # it was removed from TASKS
        return Options()
    return backend.settings if isinstance(backend, TaskBackend) else Options()


def _finish(message: Message, row: StoredTask, result: AnyResult | None, is_ours: bool) -> None:
    if not is_ours:
        _yield(message, row, result)
        return
    note_end(row)
    if result is None:
        _log_not_started(message, row)
        return
    rows.refresh(result, row)
    for receiver, error in task_finished.send_robust(sender=_sender(row), task_result=result):
        if error is not None:
            text, extra = "%r of task_finished failed", fields("receiver_failed")
            logger.error(text, receiver, exc_info=error, extra=extra)


def _log_callback(run: Run, error: BaseException) -> None:
    text = "A callback of on_commit of task %s, %s, failed after its transaction was committed"
    extra = _fields("consumer_failed", run.message)
    logger.error(text, run.row.id, run.row.path, exc_info=error, extra=extra)


def _sender(row: StoredTask) -> type:
    return type(task_backends[row.backend])


def _log_overtaken(message: Message) -> None:
    text = "Task %s was taken over by another worker; this result is dropped"
    logger.warning(text, message["task"], extra=_fields("task_overtaken", message))


def _log_put_off(message: Message, row: StoredTask, error: BaseException, pause: float) -> None:
    text = "Task %s, %s, raised and runs again in %g s"
    extra = _fields("task_failed_for_now", message)
    logger.warning(text, row.id, row.path, pause, exc_info=error, extra=extra)


def _log_not_started(message: Message, row: StoredTask) -> None:
    text = "Task %s, %s, could not start and has failed: %s"
    last = row.errors[-1]["traceback"].strip().splitlines()[-1]
    logger.error(text, row.id, row.path, last, extra=_fields("task_not_started", message))


def _fields(event: str, message: Message) -> dict[str, str | int]:
    return fields(event, channel=message.channel_name, message_id=message.id)
