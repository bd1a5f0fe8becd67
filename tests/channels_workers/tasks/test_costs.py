"""What a task costs the database, in statements. docs/how-to/django-tasks.md says the numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from channels_workers.tasks import rows
from tests.channels_workers.tasks import functions
from tests.channels_workers.tasks.conftest import Run
from tests.channels_workers.tasks.functions import task

pytestmark = pytest.mark.django_db(transaction=True)

#: What a worker does for a task: it finds the row, makes it RUNNING, and stores the result.
RUN = ["SELECT", "UPDATE", "UPDATE"]


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the first words of all statements of the block."""
    words: list[str] = []
    with CaptureQueriesContext(connection) as queries:
        yield words
    words += [query["sql"].split()[0] for query in queries.captured_queries]


def test_a_task_costs_four_statements(run: Run) -> None:
    with statements() as words:
        task(functions.add).enqueue(1)
        run()
    assert words == ["INSERT", *RUN]


def test_a_row_is_found_by_its_key_without_sorting(run: Run) -> None:
    result = task(functions.add).enqueue(1)
    with CaptureQueriesContext(connection) as queries:
        assert rows.find(result.id)
    (query,) = queries.captured_queries
    assert "ORDER BY" not in query["sql"]


def test_a_task_of_a_transaction_costs_five(run: Run) -> None:
    with statements() as words:
        with transaction.atomic():
            task(functions.add).enqueue(1)
        run()
    assert [word for word in words if word not in ("BEGIN", "COMMIT")] == ["INSERT", "UPDATE", *RUN]
