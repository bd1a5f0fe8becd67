"""Enqueues scheduled tasks when they are due; every worker process does this, and one succeeds."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from channels_workers.logs import fields
from channels_workers.tasks import rows
from channels_workers.tasks.backend import TaskBackend
from channels_workers.tasks.models import StoredSchedule, primary
from channels_workers.tasks.schedules import Schedule

logger = logging.getLogger(__name__)

#: How late a firing may be to count as in time (s).
LATE = 60.0


def next_due(backend: TaskBackend, now: float) -> float:
    """Return when the next schedule is due after *now*, both in seconds since 1970."""
    return min((schedule.following(now) for schedule in backend.schedules), default=math.inf)


def fire_due(backend: TaskBackend, now: float) -> None:
    """Enqueue what is due at *now*, in seconds since 1970.

    Each due time fires once, whoever looks, and however clocks jump: its task has an id of its
    own. The row of a schedule has its next due time, and one process moves it on.
    """
    schedules = {schedule.name: schedule for schedule in backend.schedules}
    stored = _all().filter(backend=backend.alias, name__in=schedules)
    found = {row.name: row for row in stored} if schedules else {}
    errors: list[Exception] = []
    for name, schedule in schedules.items():
        try:
            if (row := found.get(name)) is None:
                _begin(backend.alias, schedule, now)
            else:
                _look(backend, schedule, row, now)
        except Exception as error:  # noqa: BLE001  (raised when the others have had their turn)
            errors.append(error)
    if errors:
        raise errors[0]


def _all() -> QuerySet[StoredSchedule]:
    return StoredSchedule.objects.using(primary(StoredSchedule))


def _begin(alias: str, schedule: Schedule, now: float) -> None:
    """Store the first due time of a new schedule."""
    following = _microseconds(schedule.following(now))
    _all().get_or_create(backend=alias, name=schedule.name, defaults={"next_due": following})


def _look(backend: TaskBackend, schedule: Schedule, row: StoredSchedule, now: float) -> None:
    due, following = row.next_due / 1e6, schedule.following(now)
    is_changed = due - following > 1e-3 or not schedule.includes(due)  # or a clock was set back
    if due > now and not is_changed:
        return
    with transaction.atomic(using=primary(StoredSchedule)):
        same = _all().filter(pk=row.pk, next_due=row.next_due)
        if not same.update(next_due=_microseconds(following)) or is_changed:
            return
        if schedule.missed == "skip" and now - due > LATE:
            _log_missed(schedule, due, now)
        elif rows.find(task_id := schedule.id_of(backend.alias, due)) is None:
            arguments = (list(schedule.args), dict(schedule.kwargs or {}))
            backend.enqueue_as(task_id, schedule.load(), *arguments)
            _all().filter(pk=row.pk).update(last_at=_moment(due))


def _log_missed(schedule: Schedule, due: float, now: float) -> None:
    text = "The schedule %s skips a firing that is %d s late: no worker ran when it was due"
    logger.warning(text, schedule.name, now - due, extra=fields("schedule_missed"))


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _moment(seconds: float) -> datetime:
    if settings.USE_TZ:
        return datetime.fromtimestamp(seconds, UTC)
    return datetime.fromtimestamp(seconds)
