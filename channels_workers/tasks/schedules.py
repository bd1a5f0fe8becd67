"""``SCHEDULE`` in the ``OPTIONS`` of ``TASKS``: tasks that run again and again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.module_loading import import_string

from channels_workers.tasks.api import AnyTask, Task

#: The namespace of the ids of scheduled tasks.
FIRINGS = UUID("8a4cf3c1-3b0f-4a38-9c47-6f7a5a3f2d1e")

#: The longest interval (s): a year.
LONGEST_INTERVAL = 366 * 24 * 3600.0

KEYS = ("task", "cron", "every", "args", "kwargs", "missed")


@dataclass(frozen=True)
class Schedule:
    """When the task with the dotted name *task* runs: by *cron*, or *every* so many seconds.

    Of the firings that no worker saw in time, one happens late if *missed* is ``once``, and none
    if it is ``skip``.
    """

    name: str
    task: str
    cron: str = ""
    every: float = 0.0
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] | None = None
    missed: str = "once"

    def following(self, moment: float) -> float:
        """Return the first due time after *moment*, both in seconds since 1970.

        Intervals count from 1970, so all processes agree on them. Cron expressions are in the time
        zone of ``TIME_ZONE``.
        """
        if not self.cron:
            return (math.floor(moment / self.every) + 1) * self.every
        local = datetime.fromtimestamp(moment, timezone.get_default_timezone())
        return _next_of(self.cron, local).timestamp()

    def includes(self, moment: float) -> bool:
        """Return whether *moment* is a due time of it."""
        return abs(self.following(moment - 0.5) - moment) < 0.5

    def id_of(self, alias: str, due: float) -> str:
        """Return the id of the task that it enqueues at *due*: it can be stored once only."""
        return str(uuid5(FIRINGS, f"{alias}\n{self.name}\n{round(due)}"))

    def load(self) -> AnyTask:
        """Return its task; ``ImproperlyConfigured`` if there is none."""
        try:
            found = import_string(self.task)
        except ImportError as error:
            raise ImproperlyConfigured(f"SCHEDULE[{self.name!r}]: {error}") from error
        if not isinstance(found, Task):
            raise ImproperlyConfigured(
                f"SCHEDULE[{self.name!r}] must name a task. {self.task} is no function with @task."
            )
        return found


def read_schedules(alias: str, given: Any) -> list[Schedule]:
    """Return ``TASKS[alias]["OPTIONS"]["SCHEDULE"]``.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for what it does not understand.
    """
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{_place(alias)} must be a dict of names, not {given!r}.")
    return [_read(_place(alias, name), name, entry) for name, entry in given.items()]


def _place(alias: str, name: str = "") -> str:
    return f"TASKS[{alias!r}]['OPTIONS']['SCHEDULE']" + (f"[{name!r}]" if name else "")


def _read(place: str, name: Any, entry: Any) -> Schedule:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("task"), str):
        raise ImproperlyConfigured(f"{place} must be a dict with a 'task', a dotted name.")
    if unknown := sorted(set(entry) - set(KEYS)):
        raise ImproperlyConfigured(
            f"{place} has the unknown key {unknown[0]!r}. Known keys: {', '.join(KEYS)}."
        )
    if ("cron" in entry) == ("every" in entry):
        raise ImproperlyConfigured(f"{place} must have either 'cron' or 'every'.")
    if entry.get("missed", "once") not in ("once", "skip"):
        raise ImproperlyConfigured(
            f"{place}['missed'] must be 'once' or 'skip', not {entry['missed']!r}."
        )
    _check_arguments(place, entry)
    _check_when(place, entry)
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        raise ImproperlyConfigured(f"{place} must have a name of 1 to 100 characters.")
    return Schedule(name, **entry)


def _check_arguments(place: str, entry: Mapping[str, Any]) -> None:
    args, kwargs = entry.get("args", ()), entry.get("kwargs") or {}
    if not isinstance(args, list | tuple):  # the letters of a string would be arguments
        raise ImproperlyConfigured(f"{place}['args'] must be a list, not {args!r}.")
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise ImproperlyConfigured(f"{place}['kwargs'] must be a dict of names, not {kwargs!r}.")


def _check_when(place: str, entry: Mapping[str, Any]) -> None:
    if "every" in entry:
        every = entry["every"]
        is_number = isinstance(every, int | float) and not isinstance(every, bool)
        if not is_number or not 1 <= every <= LONGEST_INTERVAL:
            raise ImproperlyConfigured(
                f"{place}['every'] must be a number of seconds from 1 to {LONGEST_INTERVAL:,.0f}, "
                f"not {every!r}."
            )
        return
    try:
        _next_of(entry["cron"], datetime.now(timezone.get_default_timezone()))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{place}['cron'] must be a cron expression such as '0 3 * * *', not "
            f"{entry['cron']!r}: {error}."
        ) from error


def _next_of(expression: str, local: datetime) -> datetime:
    """Return the first due time after *local*; ValueError for an expression without one."""
    try:
        from cronsim import CronSim, CronSimError  # noqa: PLC0415  (only cron needs the package)
    except ImportError as error:
        raise ImproperlyConfigured(
            "'cron' in SCHEDULE needs the package cronsim: pip install 'channels-workers[tasks]'"
        ) from error
    try:
        return next(CronSim(expression, local))
    except (CronSimError, AttributeError, StopIteration) as error:
        raise ValueError(str(error) or "it is never due") from error
