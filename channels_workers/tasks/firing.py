"""Enqueues scheduled tasks when they are due; every worker process does this, and one succeeds."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import NamedTuple

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


class Seen(NamedTuple):
    """What a process saw of the row of a schedule when it looked last, *at* that time.

    It has seen this *next_due* *since* then. Both times are in seconds since 1970.
    """

    at: float
    next_due: int
    since: float


#: What a process remembers of the schedules of a backend, by their names.
Memory = dict[str, Seen]


def next_due(backend: TaskBackend, now: float) -> float:
    """Return when the next schedule is due after *now*, both in seconds since 1970."""
    return min((schedule.following(now) for schedule in backend.schedules), default=math.inf)


def fire_due(backend: TaskBackend, now: float, memory: Memory | None = None) -> None:
    """Enqueue what is due at *now*, in seconds since 1970.

    Each due time fires once, whoever looks, and however clocks jump: its task has an id of its
    own. The row of a schedule has its next due time, and one process moves it on. *memory* is that
    of the process: another release may have another schedule with the same name.
    """
    memory = {} if memory is None else memory
    schedules = {schedule.name: schedule for schedule in backend.schedules}
    stored = _all().filter(backend=backend.alias, name__in=schedules)
    found = {row.name: row for row in stored} if schedules else {}
    errors: list[Exception] = []
    for name, schedule in schedules.items():
        try:
            if (row := found.get(name)) is None:
                memory[name] = _begin(backend.alias, schedule, now)
            else:
                memory[name] = _look(backend, schedule, row, now, memory.get(name))
        except Exception as error:  # noqa: BLE001  (raised when the others have had their turn)
            errors.append(error)
    if errors:
        raise errors[0]


def _all() -> QuerySet[StoredSchedule]:
    return StoredSchedule.objects.using(primary(StoredSchedule))


def _begin(alias: str, schedule: Schedule, now: float) -> Seen:
    """Store the first due time of a new schedule."""
    following = _microseconds(schedule.following(now))
    _all().get_or_create(backend=alias, name=schedule.name, defaults={"next_due": following})
    return Seen(now, following, now)


def _look(
    backend: TaskBackend, schedule: Schedule, row: StoredSchedule, now: float, before: Seen | None
) -> Seen:
    """Fire what is due, and move *row* on; return what is to be remembered instead of *before*."""
    is_known = before is not None and before.next_due == row.next_due
    seen = Seen(now, row.next_due, before.since if before is not None and is_known else now)
    due, following = row.next_due / 1e6, schedule.following(now)
    fires: float | None = due
    if due - following > 1e-3 or not schedule.includes(due):  # changed, or a clock was set back
        fires = None if before is None else schedule.following(before.at)
        if fires is not None and fires > now:
            fires = None
            if due > now:  # the row is of workers with another release, which look too
                return seen
    elif due > now or _is_of_slow_clock(schedule, due, before, seen):
        return seen
    is_moved = _move_on(backend, schedule, row, fires, now)
    return seen if is_moved or before is None else before


def _is_of_slow_clock(schedule: Schedule, due: float, before: Seen | None, seen: Seen) -> bool:
    """Return whether *due* was in the past when it was written: a worker with a slow clock did.

    That one fires it, and it is not to be skipped here.
    """
    is_late = schedule.missed == "skip" and seen.at - due > LATE
    is_new = before is not None and before.at > due and seen.at - seen.since <= LATE
    return is_late and is_new


def _move_on(
    backend: TaskBackend, schedule: Schedule, row: StoredSchedule, due: float | None, now: float
) -> bool:
    """Let *row* have the next due time, and enqueue the task of *due* unless that is None.

    Return False if another process has changed it meanwhile.
    """
    following = _microseconds(schedule.following(now))
    with transaction.atomic(using=primary(StoredSchedule)):
        same = _all().filter(pk=row.pk, next_due=row.next_due)
        if not same.update(next_due=following):
            return False
        if due is None:
            return True
        if schedule.missed == "skip" and now - due > LATE:
            _log_missed(schedule, due, now)
        elif rows.find(task_id := schedule.id_of(backend.alias, due)) is None:
            arguments = (list(schedule.args), dict(schedule.kwargs or {}))
            backend.enqueue_as(task_id, schedule.load(), *arguments)
            _all().filter(pk=row.pk).update(last_at=_moment(due))
    return True


def _log_missed(schedule: Schedule, due: float, now: float) -> None:
    text = "The schedule %s skips a firing that is %d s late: no worker ran when it was due"
    logger.warning(text, schedule.name, now - due, extra=fields("schedule_missed"))


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _moment(seconds: float) -> datetime:
    if settings.USE_TZ:
        return datetime.fromtimestamp(seconds, UTC)
    return datetime.fromtimestamp(seconds)
