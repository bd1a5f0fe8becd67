"""The names of Django's tasks, from ``django.tasks`` or from the package django-tasks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.tasks import Task as Task
    from django.tasks import TaskContext as TaskContext
    from django.tasks import TaskResult as TaskResult
    from django.tasks import TaskResultStatus as TaskResultStatus
    from django.tasks import task_backends as task_backends
    from django.tasks.backends.base import BaseTaskBackend as BaseTaskBackend
    from django.tasks.base import DEFAULT_TASK_PRIORITY as DEFAULT_TASK_PRIORITY
    from django.tasks.base import TaskError as TaskError
    from django.tasks.exceptions import InvalidTask as InvalidTask
    from django.tasks.exceptions import TaskResultDoesNotExist as TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued as task_enqueued
    from django.tasks.signals import task_finished as task_finished
    from django.tasks.signals import task_started as task_started
    from django.utils.json import normalize_json as normalize_json

    AnyTask = Task[..., Any]
    AnyResult = TaskResult[..., Any]
else:

    def _find():
        for name in ("django.tasks", "django_tasks"):
            try:
                return import_module(name)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
        raise ImportError(
            "channels_workers.tasks needs Django 6, which has django.tasks, or the package "
            "django-tasks: pip install 'channels-workers[tasks]'"
        )

    _tasks = _find()
    _json = "django.utils.json" if _tasks.__name__ == "django.tasks" else "django_tasks.utils"
    _base = import_module(f"{_tasks.__name__}.base")
    _exceptions = import_module(f"{_tasks.__name__}.exceptions")
    _signals = import_module(f"{_tasks.__name__}.signals")

    BaseTaskBackend = import_module(f"{_tasks.__name__}.backends.base").BaseTaskBackend
    DEFAULT_TASK_PRIORITY = _base.DEFAULT_TASK_PRIORITY
    Task, TaskContext, TaskError = _base.Task, _base.TaskContext, _base.TaskError
    TaskResult, TaskResultStatus = _base.TaskResult, _base.TaskResultStatus
    task_backends = _tasks.task_backends
    # django-tasks 0.12 has another name for it.
    InvalidTask = getattr(_exceptions, "InvalidTask", None) or _exceptions.InvalidTaskError
    normalize_json = import_module(_json).normalize_json
    TaskResultDoesNotExist = _exceptions.TaskResultDoesNotExist
    task_enqueued, task_started = _signals.task_enqueued, _signals.task_started
    task_finished = _signals.task_finished
    AnyTask, AnyResult = Task, TaskResult
