"""Between rows of tasks and Django's results; and the steps that change a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from channels_workers.channel import Channel
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import Operation
from channels_workers.outbox import running
from channels_workers.registry import get_channel_layer
from channels_workers.tasks.api import (
    AnyResult,
    AnyTask,
    Task,
    TaskError,
    TaskResult,
    TaskResultStatus,
    task_backends,
)
from channels_workers.tasks.channels import channel_of, seconds_until
from channels_workers.tasks.models import StoredTask, primary

#: The last errors that a row keeps, and the most characters of a traceback.
ERRORS, LONGEST_TRACE = 100, 100_000


#: The fields of a row that have no greatest size.
LARGE = ("args", "kwargs", "return_value", "errors", "worker_ids", "effects")


def all_tasks() -> QuerySet[StoredTask]:
    """Return all rows, as they are in the database that is written to."""
    return StoredTask.objects.using(primary(StoredTask))


def store(result: AnyResult, *, is_sent: bool) -> StoredTask:
    """Store the row of *result*, which has not run, and return it.

    Unless it *is_sent* soon, workers will send its message; see :func:`take_unsent`. If its id is
    that of an earlier run of the same consumer, whose sends did not go out, the row is replaced.
    """
    task, key = result.task, UUID(result.id)
    values = {
        "backend": result.backend,
        "path": task.module_path,
        "queue": task.queue_name,
        "priority": task.priority,
        "run_after": task.run_after,
        "takes_context": task.takes_context,
        "args": result.args,
        "kwargs": result.kwargs,
        "enqueued_at": result.enqueued_at or timezone.now(),
        "unsent_since": None if is_sent else timezone.now(),
    }
    try:
        return all_tasks().create(id=key, **values)
    except IntegrityError:
        if not is_sent or find(key) is None:
            raise
        same = all_tasks().filter(pk=key, status=TaskResultStatus.READY, attempts=0)
        same.update(**values)
        return all_tasks().get(pk=key)


def send(row: StoredTask) -> None:
    """Send the message of *row*, which arrives when it is due; in a consumer with its commit."""
    channel, content, wait = _message_of(row)
    Channel(channel).send(content, delay=wait)


def send_now(row: StoredTask) -> None:
    """Do the same at once, also in a consumer: its transaction has been committed already."""
    layer = get_channel_layer()
    sent = [operation_of(row, layer)]
    layer.apply(sent, quick=True)
    layer.announce_delayed(sent)


def operation_of(row: StoredTask, layer: WorkerLayer) -> Operation:
    """Return the operation on *layer* that sends the message of *row*."""
    channel, content, wait = _message_of(row)
    if wait is None:
        return layer.make_send(channel, content)
    return layer.make_send_later(channel, content, wait)


def send_past_limits(row: StoredTask) -> None:
    """Do what :func:`send` does, also in an outbox that the task has filled."""
    outbox = running()
    if outbox is None:
        send(row)
    else:
        outbox.operations.append(operation_of(row, outbox.layer))


def _message_of(row: StoredTask) -> tuple[str, Content, float | None]:
    """Return the channel of *row*, the content of its message, and how long it waits (s)."""
    wait = seconds_until(row.next_attempt_at or row.run_after)
    content = {"task": str(row.id), "failures": row.failures}
    return channel_of(row.queue, row.priority), content, wait or None


def note_sent(row: StoredTask) -> None:
    """Note that the message of *row* is sent."""
    all_tasks().filter(pk=row.pk).update(unsent_since=None)


def take_unsent(before: datetime, most: int) -> Iterator[StoredTask]:
    """Yield up to *most* rows that are unsent since *before*, for this caller alone.

    They are without what may be large: a thousand at a time would fill the memory.
    """
    found = all_tasks().filter(unsent_since__lt=before).order_by("unsent_since")
    for row in found.defer(*LARGE)[:most]:
        same = all_tasks().filter(pk=row.pk, unsent_since=row.unsent_since)
        if same.update(unsent_since=timezone.now()):
            yield row


def find(task_id: object) -> StoredTask | None:
    """Return the row with this id, None if there is none."""
    try:
        key = UUID(str(task_id))
    except ValueError:
        return None
    return next(iter(all_tasks().filter(pk=key)), None)  # first() would sort, a third of its time


def task_of(row: StoredTask) -> AnyTask:
    """Return the task of *row*.

    Raises ImportError if its function does not exist in this process, and ``InvalidTask`` if its
    backend does not take it any more.
    """
    found: Any = import_string(row.path)
    given: dict[str, Any] = {
        "backend": row.backend,
        "queue_name": row.queue,
        "priority": row.priority,
        "run_after": row.run_after,
        "takes_context": row.takes_context,
    }
    if isinstance(found, Task):
        return replace(found, **given)
    return task_backends[row.backend].task_class(func=found, **given)


def result_of(row: StoredTask, task: AnyTask) -> AnyResult:
    """Return the state of *row*, a row of *task*, as Django's result."""
    result = TaskResult(
        task=task,
        id=str(row.id),
        status=TaskResultStatus(row.status),
        enqueued_at=row.enqueued_at,
        started_at=row.started_at,
        last_attempted_at=row.last_attempted_at,
        finished_at=row.finished_at,
        args=row.args,
        kwargs=row.kwargs,
        backend=row.backend,
        errors=[TaskError(**error) for error in row.errors],
        worker_ids=list(row.worker_ids),
    )
    object.__setattr__(result, "_return_value", row.return_value)
    return result


def refresh(result: AnyResult, row: StoredTask) -> None:
    """Bring *result* up to date with *row*, for the receivers of signals."""
    changed = result_of(row, result.task)
    for name in ("status", "finished_at", "errors", "_return_value"):
        object.__setattr__(result, name, getattr(changed, name))


def error_of(error: BaseException, trace: str) -> dict[str, str]:
    """Return *error* as a row stores it. PostgreSQL stores no NUL and no surrogate in JSON."""
    kind = type(error)
    trace = trace.encode(errors="backslashreplace").decode()
    if len(trace) > LONGEST_TRACE:
        half = LONGEST_TRACE // 2
        trace = f"{trace[:half]}\n...\n{trace[-half:]}"
    return {
        "exception_class_path": f"{kind.__module__}.{kind.__qualname__}",
        "traceback": trace.replace("\0", "\N{REPLACEMENT CHARACTER}"),
    }


def change(row: StoredTask, **values: Any) -> bool:
    """Write *values* if the row is as *row* says; return whether it was, and then change *row*."""
    known = {"attempts": row.attempts, "failures": row.failures, "status": row.status}
    if not all_tasks().filter(pk=row.pk, **known).update(**values):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    return True


def begin(row: StoredTask, message_id: str, worker_id: str) -> bool:
    """Make *row* run; return False if somebody else changed it meanwhile."""
    now = timezone.now()
    return change(
        row,
        status=TaskResultStatus.RUNNING,
        started_at=row.started_at or now,
        last_attempted_at=now,
        next_attempt_at=None,
        effects=None,
        unsent_since=None,
        worker_ids=[*row.worker_ids, worker_id],
        attempts=row.attempts + 1,
        message_id=message_id,
    )


def succeed(row: StoredTask, value: Any, effects: bytes | None = None) -> bool:
    """Store what the task returned; return False if another worker has taken it over.

    *effects* is what the run sent, here and below.
    """
    return change(
        row,
        status=TaskResultStatus.SUCCESSFUL,
        return_value=value,
        finished_at=timezone.now(),
        effects=effects,
    )


def fail(row: StoredTask, error: dict[str, str], effects: bytes | None = None) -> bool:
    """Store the last *error* of the task; return False if another worker has taken it over."""
    return change(
        row,
        status=TaskResultStatus.FAILED,
        errors=[*row.errors, error][-ERRORS:],
        finished_at=timezone.now(),
        effects=effects or row.effects,
    )


def put_off(
    row: StoredTask, error: dict[str, str], until: Any, effects: bytes | None = None
) -> bool:
    """Let the task run again *until* then; return False if another worker has taken it over.

    If its message is dropped, as beyond the capacity of delayed messages, workers send another.
    """
    return change(
        row,
        status=TaskResultStatus.READY,
        errors=[*row.errors, error][-ERRORS:],
        failures=row.failures + 1,
        next_attempt_at=until,
        unsent_since=until,
        effects=effects,
    )


def reset(row: StoredTask) -> bool:
    """Let a task that failed or was lost run again; return False if it changed meanwhile.

    Workers send its message, unless the caller does. After a failure no message of before, as in a
    dead letter, stands for it: it counts one failure more.
    """
    if row.status == TaskResultStatus.READY:
        return change(row, unsent_since=timezone.now())
    return change(
        row,
        status=TaskResultStatus.READY,
        finished_at=None,
        effects=None,
        message_id="",
        failures=row.failures + row.is_finished,
        unsent_since=timezone.now(),
    )
