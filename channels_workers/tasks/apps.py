"""The Django application with the rows of tasks; in INSTALLED_APPS after ``channels_workers``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig

from channels_workers import routing
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import Operation
from channels_workers.routing import Route
from channels_workers.signals import worker_ready
from channels_workers.tasks.backend import our_backends
from channels_workers.tasks.channels import channels_of
from channels_workers.worker import commit

__all__ = ["TasksConfig"]


class TasksConfig(AppConfig):
    """Lets workers run the tasks of :class:`~channels_workers.tasks.TaskBackend`."""

    name = "channels_workers.tasks"
    label = "channels_workers_tasks"
    verbose_name = "Channels workers: tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Add the routes of tasks, and the thread of each worker process that keeps their rows."""
        if routes not in routing.routes_of_apps:
            routing.routes_of_apps.append(routes)
        worker_ready.connect(start_keeper)
        if note_dropped not in commit.on_dropped:
            commit.on_dropped.append(note_dropped)


def note_dropped(layer: WorkerLayer, operations: Sequence[Operation]) -> None:
    """Note which tasks a full channel has dropped."""
    from channels_workers.tasks import dropped  # noqa: PLC0415  (models are loaded by then)

    if our_backends():
        dropped.note_dropped(layer, operations)


def routes() -> list[Route]:
    """Return the route of all channels of tasks; none without a backend of ours."""
    from channels_workers.tasks.run import run_task  # noqa: PLC0415  (models are loaded by then)

    queues = sorted({queue for backend in our_backends() for queue in backend.queues})
    channels = [channel for queue in queues for channel in channels_of(queue)]
    return [Route(channels, run_task)] if channels else []


def start_keeper(sender: Any, **kwargs: object) -> None:
    """Start the thread that keeps the rows, in each worker process."""
    from channels_workers.tasks.keeper import Keeper  # noqa: PLC0415  (as above)

    if sender.number == 0 and our_backends():
        Keeper(sender.channel_layer, sender.stopping).thread.start()
