"""Consumers that enqueue tasks outside of a transaction, and run again."""

import pytest
from django.db import IntegrityError

from channels_workers.exceptions import ConsumeLater
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Send
from channels_workers.message import Message
from channels_workers.routing import Router
from channels_workers.tasks import rows
from channels_workers.tasks.api import TaskResultStatus
from channels_workers.tasks.models import StoredTask
from channels_workers.worker.dispatch import dispatch
from tests.channels_workers.clients import pull_one
from tests.channels_workers.consumers import not_called
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.functions import task

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_consumer_that_runs_again_leaves_no_row(
    tasks: InMemoryChannelLayer,
) -> None:
    runs: list[int] = []

    def consumer(message: Message) -> None:
        runs.append(len(runs))
        task(functions.add).enqueue(1)
        task(functions.add, priority=len(runs)).enqueue(2, second=len(runs))
        if len(runs) == 1:
            raise ConsumeLater

    router = Router({"work": consumer})
    for number in range(2):
        tasks.apply([tasks.make_send("work", {"number": number})])
    first, second = pull_one(tasks, "work"), pull_one(tasks, "work")
    assert dispatch(first, tasks, router, not_called).is_put_off
    outcome = dispatch(first, tasks, router, not_called)
    rows_of_first = list(StoredTask.objects.order_by("priority"))
    assert [(row.args, row.kwargs) for row in rows_of_first] == [([1], {}), ([2], {"second": 2})]
    assert {str(row.pk) for row in rows_of_first} == {
        str(tasks.codec.decode(each.payload)["task"])
        for each in outcome.operations
        if isinstance(each, Send)
    }
    dispatch(second, tasks, router, not_called)
    assert StoredTask.objects.count() == 4


def test_a_consumer_that_runs_again_changes_no_task_that_has_begun(
    tasks: InMemoryChannelLayer,
) -> None:
    """As after Redis has lost the end of the first run."""

    def consumer(message: Message) -> None:
        task(functions.add).enqueue(StoredTask.objects.count())

    tasks.apply([tasks.make_send("work", {})])
    delivery = pull_one(tasks, "work")
    dispatch(delivery, tasks, Router({"work": consumer}), not_called)
    StoredTask.objects.update(status=TaskResultStatus.SUCCESSFUL, attempts=1)
    dispatch(delivery, tasks, Router({"work": consumer}), not_called)
    row = StoredTask.objects.get()
    assert (row.status, row.args) == (TaskResultStatus.SUCCESSFUL, [0])


def test_the_id_of_another_row_is_refused(tasks: InMemoryChannelLayer) -> None:
    result = task(functions.add).enqueue(1)
    with pytest.raises(IntegrityError):
        rows.store(result, is_sent=False)
