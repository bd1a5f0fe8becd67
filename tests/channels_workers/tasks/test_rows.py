"""Rows change by compare-and-set: of two that saw the same row, one writes."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.tasks import rows
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.models import StoredTask
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.functions import task

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(tasks: InMemoryChannelLayer) -> StoredTask:
    task(functions.add).enqueue(1)
    return StoredTask.objects.get()


def test_of_two_that_begin_one_runs(row: StoredTask) -> None:
    other = StoredTask.objects.get()
    assert rows.begin(row, "message", "one")
    assert not rows.begin(other, "message", "other")
    assert StoredTask.objects.get().worker_ids == ["one"]


def test_a_worker_that_was_replaced_writes_no_end(row: StoredTask) -> None:
    rows.begin(row, "message", "frozen")
    other = StoredTask.objects.get()
    rows.begin(other, "message", "other")
    error = rows.error_of(ValueError("late"), "late\0")
    assert not rows.succeed(row, "late")
    assert not rows.fail(row, error)
    assert not rows.put_off(row, error, timezone.now())
    assert StoredTask.objects.get().status == TaskResultStatus.RUNNING
    assert rows.succeed(other, "in time")
    assert StoredTask.objects.get().return_value == "in time"


def test_unsent_rows_are_taken_once(row: StoredTask) -> None:
    task(functions.add).enqueue(2)
    long_ago = timezone.now() - timedelta(minutes=1)
    StoredTask.objects.update(unsent_since=long_ago)
    before = timezone.now() - timedelta(seconds=10)
    one, other = rows.take_unsent(before, 10), rows.take_unsent(before, 10)
    found = [next(one), next(other)]
    assert [*one, *other] == []
    assert {each.pk for each in found} == {each.pk for each in StoredTask.objects.all()}


def test_no_migration_is_missing() -> None:
    """With Django 6 and with django-tasks alike."""
    call_command("makemigrations", "channels_workers_tasks", check=True, dry_run=True, verbosity=0)
