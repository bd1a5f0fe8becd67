"""The task of the rooms, which records its runs and its end in tables that take any twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.dispatch import receiver

from channels_workers import Group
from channels_workers.once import once
from channels_workers.tasks.api import TaskContext, TaskResult, task_finished, task_started
from labs.faults.application.with_tasks.trouble import get_into, kill_after_commit

if TYPE_CHECKING:
    from django.tasks import task
else:
    try:
        from django.tasks import task
    except ImportError:  # before Django 6
        from django_tasks import task

F = TypeVar("F", bound=Callable[..., Any])


def once_or_not(func: F) -> F:
    """Decorate with ``@once`` where the row is about tasks that have it."""
    return once(func) if getattr(settings, "TASKS_HAVE_ONCE", False) else func  # type: ignore[return-value]


@task(takes_context=True)
@once_or_not
def say(
    context: TaskContext[..., Any], room: str, key: str, frame: dict[str, Any], order: Any
) -> None:
    """Send *frame* to the room. *key* is the visit of its sender."""
    _say(context.task_result, room, frame, order)


@task(takes_context=True)
@once_or_not
async def say_in_loop(
    context: TaskContext[..., Any], room: str, key: str, frame: dict[str, Any], order: Any
) -> None:
    """Do the same as a coroutine."""
    await sync_to_async(_say)(context.task_result, room, frame, order)


def _say(result: TaskResult[..., Any], room: str, frame: dict[str, Any], order: Any) -> None:
    _write("INSERT INTO run (task) VALUES (%s)", result.id)
    Group(f"room-{room}").send({"text": json.dumps(frame)})
    kill_after_commit(order, result.id)
    get_into(order, "inside", result.id)


@receiver(task_started)
def _note_start(task_result: TaskResult[..., Any], **kwargs: object) -> None:
    get_into(task_result.args[3], "begun", task_result.id)


@receiver(task_finished)
def _note_end(task_result: TaskResult[..., Any], **kwargs: object) -> None:
    _write("INSERT INTO finish (task, status) VALUES (%s, %s)", task_result.id, task_result.status)
    get_into(task_result.args[3], "ended", task_result.id)


def _write(statement: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
