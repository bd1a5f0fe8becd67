"""The tasks, by the decorator of Django 6 or of django-tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.benchmarks.runners import diary

if TYPE_CHECKING:
    from django.tasks import task
else:
    try:
        from django.tasks import task
    except ImportError:  # before Django 6
        from django_tasks import task


@task
def nothing(number: int) -> None:
    """Do nothing."""
    diary.nothing(number)


@task
def hold(number: int, seconds: float) -> None:
    """Take *seconds*."""
    diary.hold(number, seconds)
