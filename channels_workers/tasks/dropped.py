"""Sends tasks again whose messages a full channel has dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.utils import timezone

from channels_workers.exceptions import MessageError
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import TASKS, Operation, Send, SendLater
from channels_workers.tasks import rows
from channels_workers.tasks.api import TaskResultStatus


def note_dropped(layer: WorkerLayer, operations: Iterable[Operation]) -> None:
    """Note that the tasks of these sends on *layer* are unsent: workers send them later."""
    keys = [row.pk for task in _tasks_of(layer, operations) if (row := rows.find(task)) is not None]
    if keys:
        waiting = rows.all_tasks().filter(pk__in=keys, status=TaskResultStatus.READY)
        waiting.filter(unsent_since=None).update(unsent_since=timezone.now())


def _tasks_of(layer: WorkerLayer, operations: Iterable[Operation]) -> Iterator[object]:
    for each in operations:
        if isinstance(each, Send | SendLater) and each.channel.startswith(TASKS):
            try:
                yield layer.codec.decode(each.payload)["task"]
            except (MessageError, KeyError):  # no message of ours
                continue
