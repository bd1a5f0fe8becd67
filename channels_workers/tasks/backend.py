"""The backend of ``TASKS``: it stores a task in the database and sends it to the workers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cached_property, partial
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.utils import timezone

from channels_workers.exceptions import ChannelError
from channels_workers.layers.types import LONGEST_DELAY
from channels_workers.logs import fields
from channels_workers.once.decorator import database_of
from channels_workers.outbox import running
from channels_workers.tasks.api import (
    AnyResult,
    AnyTask,
    BaseTaskBackend,
    InvalidTask,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
)
from channels_workers.tasks.channels import LONGEST_QUEUE, is_queue_name, seconds_until
from channels_workers.tasks.options import SCHEDULE, Options, read_options
from channels_workers.tasks.schedules import Schedule, read_schedules

__all__ = ["TaskBackend"]

logger = logging.getLogger(__name__)

APP = "channels_workers.tasks"

#: The namespace of the ids of tasks that consumers enqueue.
OF_MESSAGES = UUID("c1c5a0de-39f5-4f0c-8a4e-0d5f9d9a3f0b")

#: The tasks with ``@once`` of this process, by backend and dotted name, for the system checks.
once_tasks: dict[tuple[str, str], AnyTask] = {}


class TaskBackend(BaseTaskBackend):
    """Runs tasks on the workers; the ``BACKEND`` of an entry of ``TASKS``.

    A task is a row in the database and a message in the default channel layer. The row is part of
    the transaction that enqueues it, and the message goes out after the commit.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self._given_queues = params.get("QUEUES")

    @cached_property
    def settings(self) -> Options:
        """The ``OPTIONS``; ``ImproperlyConfigured`` for an invalid one."""
        return read_options(self.alias, self.options)

    @cached_property
    def schedules(self) -> list[Schedule]:
        """The schedules in ``OPTIONS``; ``ImproperlyConfigured`` for an invalid one."""
        return read_schedules(self.alias, self.options.get(SCHEDULE, {}))

    def validate_task(self, task: AnyTask) -> None:
        """Raise ``InvalidTask`` for a task that cannot run here, also beyond a year from now."""
        super().validate_task(task)
        if seconds_until(task.run_after) > LONGEST_DELAY:
            raise InvalidTask(
                f"run_after must be within a year ({LONGEST_DELAY:,} s), the longest time that a "
                f"message can wait, not {task.run_after}. Let a scheduled task enqueue it later."
            )
        if database_of(task.func) is not None:
            once_tasks[self.alias, task.module_path] = task

    def enqueue(self, task: AnyTask, args: Any, kwargs: Any) -> Any:
        """Store *task*, and send it to the workers after the transaction; return its result.

        If it cannot be sent then, that is logged, and a worker sends it. Outside a transaction it
        is sent at once. If that fails nothing is stored, and the error of :meth:`Channel.send()
        <channels_workers.channel.Channel.send>` is raised. In a consumer it goes out with the
        consumer's commit.
        """
        self.validate_task(task)
        return self.enqueue_as(None, task, args, kwargs)

    def enqueue_as(self, task_id: str | None, task: AnyTask, args: Any, kwargs: Any) -> AnyResult:
        """Do what :meth:`enqueue` does, for a result with this id, or a new one."""
        if (refusal := _transactions().refusal(task)) is not None:
            raise InvalidTask(refusal)
        rows = _rows()
        using = rows.primary(rows.StoredTask)
        connection = transaction.get_connection(using)
        is_alone = not connection.in_atomic_block and connection.get_autocommit()
        result = TaskResult(
            task=task,
            id=task_id or (is_alone and _id_in_consumer()) or str(uuid4()),
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        if connection.in_atomic_block:
            row = rows.store(result, is_sent=False)
            transaction.on_commit(partial(self._send_committed, row, result), using=using)
            return result
        if is_alone:
            row = rows.store(result, is_sent=True)
            try:
                rows.send(row)
            except BaseException:
                row.delete()
                raise
        else:  # nobody knows when the commit is; a worker sends it
            rows.store(result, is_sent=False)
        task_enqueued.send(sender=type(self), task_result=result)
        return result

    def _send_committed(self, row: Any, result: AnyResult) -> None:
        try:
            _rows().send_now(row)
            _rows().note_sent(row)
        except (ChannelError, DatabaseTrouble) as error:
            text = "Task %s is stored, and a worker will send it, which failed here: %s"
            logger.warning(text, result.id, error, extra=fields("task_unsent"))
        task_enqueued.send(sender=type(self), task_result=result)

    def get_result(self, result_id: str) -> AnyResult:
        """Return the state of a task; ``TaskResultDoesNotExist`` if there is none with this id.

        Raises ``ImportError`` if the function of the task does not exist any more.
        """
        rows = _rows()
        row = rows.find(result_id)
        if row is None or row.backend != self.alias:
            raise TaskResultDoesNotExist(result_id)
        result: AnyResult = rows.result_of(row, rows.task_of(row))
        return result

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Check the app, the queues and the options."""
        return [
            *super().check(**kwargs),
            *self._check_app(),
            *self._check_queues(),
            *self._check_options(),
            *self._check_once(),
        ]

    def _check_app(self) -> Iterable[CheckMessage]:
        if not apps.is_installed(APP):
            yield Error(
                f"TASKS[{self.alias!r}] stores tasks in the app {APP}, which is not installed.",
                hint=f'Add "{APP}" to INSTALLED_APPS and run `manage.py migrate`.',
                id="channels_workers.E019",
            )

    def _check_queues(self) -> Iterable[CheckMessage]:
        wrong = sorted(name for name in self.queues if not is_queue_name(str(name)))
        is_text = isinstance(self._given_queues, str)  # each letter would be a queue
        if wrong or is_text or not self.queues:
            found = f"has {wrong[0]!r}" if wrong else "is empty"
            if is_text:
                found = f"is the string {self._given_queues!r}, and must be a list"
            yield Error(
                f"QUEUES of TASKS[{self.alias!r}] {found}. Each queue is a channel of workers.",
                hint="Name each queue, with ASCII letters, digits, hyphens and underscores, up to "
                f"{LONGEST_QUEUE} of them.",
                id="channels_workers.E020",
            )

    def _check_options(self) -> Iterable[CheckMessage]:
        try:
            read_options(self.alias, self.options)
            for schedule in read_schedules(self.alias, self.options.get(SCHEDULE, {})):
                schedule.load()
        except ImproperlyConfigured as error:
            hint = "Correct OPTIONS in TASKS."
            yield Error(str(error), hint=hint, id="channels_workers.E021")

    def _check_once(self) -> Iterable[CheckMessage]:
        if not apps.is_installed(APP):
            return
        for (alias, _), task in once_tasks.items():
            if alias == self.alias and (refusal := _transactions().refusal(task)) is not None:
                hint = "Let the task write to the database of its row, or remove @once."
                yield Error(refusal, hint=hint, id="channels_workers.E023")


def our_backends() -> list[TaskBackend]:
    """Return our backends in ``TASKS``."""
    return [found for found in task_backends.all() if isinstance(found, TaskBackend)]


def _id_in_consumer() -> str | None:
    """Return an id that is the same in each run of the message of the consumer; None outside one.

    Its sends may not go out, and then it runs again: the row is there, and must not stay over.
    """
    outbox = running()
    if outbox is None:
        return None
    outbox.enqueued += 1
    return str(uuid5(OF_MESSAGES, f"{outbox.delivery.id}\n{outbox.enqueued}"))


def _rows() -> ModuleType:
    """Return the module with the model, which Django loads after this one."""
    if not apps.is_installed(APP):
        raise ImproperlyConfigured(f'Add "{APP}" to INSTALLED_APPS and run `manage.py migrate`.')
    from channels_workers.tasks import rows  # noqa: PLC0415

    return rows


def _transactions() -> ModuleType:
    """Return the module with the transactions of tasks, which needs the model too."""
    _rows()
    from channels_workers.tasks import transactions  # noqa: PLC0415

    return transactions
