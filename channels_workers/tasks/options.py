"""The ``OPTIONS`` of the backend in ``TASKS``: every key with its default and its meaning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

#: The longest time (s): a hundred years. Some dates that lie further back cannot be computed.
LONGEST = 100 * 366 * 24 * 3600

#: The key that :mod:`channels_workers.tasks.schedules` reads.
SCHEDULE = "SCHEDULE"


@dataclass(frozen=True, slots=True)
class Options:
    """The values of ``OPTIONS``; times in seconds."""

    #: How often a task that raises runs again before it has failed. `@retry` overrides it for a
    #: task.
    RETRIES: int = 0

    #: The pause before the first such run. Each further pause is twice as long.
    RETRY_PAUSE: float = 1.0

    #: The longest pause.
    LONGEST_RETRY_PAUSE: float = 3600.0

    #: How long a finished task and its result are kept. Then workers delete its row.
    RESULTS_KEPT: float = 7 * 24 * 3600.0


def read_options(alias: str, given: Mapping[str, Any]) -> Options:
    """Return ``TASKS[alias]["OPTIONS"]`` with the defaults, without its schedules.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for an unknown key or an invalid
    value.
    """
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"TASKS[{alias!r}]['OPTIONS'] must be a dict, not {given!r}.")
    given = {name: value for name, value in given.items() if name != SCHEDULE}
    known = {field.name for field in fields(Options)}
    if unknown := sorted(set(given) - known):
        raise ImproperlyConfigured(
            f"TASKS[{alias!r}]['OPTIONS'] has the unknown key {unknown[0]!r}. "
            f"Known keys: {', '.join(sorted({*known, SCHEDULE}))}."
        )
    for name, value in given.items():
        _check(alias, name, value)
    return Options(**given)


def _check(alias: str, name: str, value: Any) -> None:
    is_whole = name == "RETRIES"
    fits = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
    if not fits or not 0 <= value <= (math.inf if is_whole else LONGEST):
        kind = "a whole number of at least 0"
        if not is_whole:
            kind = f"a number of seconds from 0 to {LONGEST:,}, which is a century"
        raise ImproperlyConfigured(
            f"TASKS[{alias!r}]['OPTIONS'][{name!r}] must be {kind}, not {value!r}."
        )
