"""The rows of tasks: what they are called with, and what became of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from django.db import models, router
from django.utils import timezone

from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.channels import LONGEST_QUEUE


def primary(model: type[models.Model]) -> str:
    """Return the database that *model* is written to. A replica may lag behind a message."""
    return router.db_for_write(model)


class StoredTask(models.Model):
    """A task that was enqueued, with its result; see ``TaskResult`` of Django.

    ``attempts`` counts its runs, and grows with each change of hands: a worker that was overtaken
    finds another number than its own. ``failures`` counts the runs that raised and are repeated.
    ``message_id`` is the id of the message whose worker runs it. ``unsent_since`` is set from the
    transaction that enqueues it until its message is sent, and from a failure until the next run,
    when it is the time of that run. ``effects`` is what the last run sent,
    for a worker that takes over between the end of that run and the commit of its message.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    backend = models.CharField(max_length=100)
    path = models.TextField()
    queue = models.CharField(max_length=LONGEST_QUEUE)
    priority = models.SmallIntegerField(default=0)
    run_after = models.DateTimeField(null=True, blank=True)
    takes_context = models.BooleanField(default=False)
    args = models.JSONField(default=list)
    kwargs = models.JSONField(default=dict)
    # Without choices: those of another version of Django would need another migration.
    status = models.CharField(max_length=10, default="READY")
    enqueued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    last_attempted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    return_value = models.JSONField(null=True)
    errors = models.JSONField(default=list)
    worker_ids = models.JSONField(default=list)
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    message_id = models.TextField(default="")
    effects = models.BinaryField(null=True)
    unsent_since = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = "task"
        permissions = [("retry_storedtask", "Can run a failed task again")]
        indexes = [models.Index(fields=["finished_at"], name="channels_workers_task_finished")]

    def __str__(self) -> str:
        return f"{self.path} {self.id} ({self.status})"

    @property
    def is_finished(self) -> bool:
        """Whether it never runs again."""
        return self.status in (TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED)


class StoredSchedule(models.Model):
    """When a schedule of ``SCHEDULE`` fires next, and the due time that fired last."""

    backend = models.CharField(max_length=100)
    name = models.CharField(max_length=100)
    #: Microseconds since 1970: with USE_TZ = False a date is ambiguous when summer time ends.
    next_due = models.BigIntegerField()
    last_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "schedule"
        constraints = [
            models.UniqueConstraint(
                fields=["backend", "name"], name="channels_workers_schedule_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}, next at {self.next_at}"

    @property
    def next_at(self) -> datetime:
        """When it fires next."""
        return datetime.fromtimestamp(self.next_due / 1e6, UTC)
