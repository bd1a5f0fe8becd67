"""The transaction of a task with ``@once``: its SQL, and the end of its row, happen together."""

from __future__ import annotations

from copy import copy
from typing import Any

from django.db import DatabaseError, OperationalError

from channels_workers.effects import Effects
from channels_workers.exceptions import OnceRefused
from channels_workers.once.decorator import database_of
from channels_workers.once.transaction import OnceTransaction
from channels_workers.outbox import Outbox, running
from channels_workers.tasks import rows
from channels_workers.tasks.api import AnyTask, normalize_json
from channels_workers.tasks.models import StoredTask, primary
from channels_workers.transient import is_put_off

#: Why no call in a task has ``@once`` by itself.
REFUSED = (
    "It ran in a task, which has a row of its own. Write @once on the function of the task, below "
    "@task: then the task runs in one transaction with its row."
)


class Overtaken(Exception):
    """Another worker runs the task, or its row is gone."""


def refusal(task: AnyTask) -> str | None:
    """Return why *task* cannot have its ``@once``; None if it can, or has none."""
    using, ours = database_of(task.func), primary(StoredTask)
    if using in (None, ours):
        return None
    return (
        f"{task.module_path} has @once with the database {using!r}, and rows of tasks are in "
        f"{ours!r}, but no transaction spans two databases. Use that one, let DATABASE_ROUTERS "
        f"keep the app channels_workers_tasks in {using!r}, or replace @once by rows with the id "
        "of the task as their key."
    )


def once_of(task: AnyTask, row: StoredTask) -> TaskTransaction | None:
    """Return the transaction that *task* runs in; None if it has no ``@once``.

    Raises :class:`~channels_workers.exceptions.OnceRefused` for another database than that of rows.
    """
    using = database_of(task.func)
    if using is None:
        return None
    if (why := refusal(task)) is not None:
        raise OnceRefused(why)
    outbox = running()
    assert outbox is not None  # noqa: S101  (that of the message)
    return TaskTransaction(outbox, using, row)


class TaskTransaction:
    """The transaction of a run of the task with this *row*.

    ``ended`` is the row as it was committed. Call the methods on one thread.
    """

    def __init__(self, outbox: Outbox, using: str, row: StoredTask) -> None:
        self.ended: StoredTask | None = None
        self._row = row
        self._transaction = OnceTransaction(outbox, using, row.path)

    def begin(self) -> None:
        """Begin it."""
        self._transaction.begin()

    def commit(self, value: Any) -> BaseException | None:
        """Commit, with *value* in the row; return why it has rolled back, or an error after it."""
        row = copy(self._row)  # as it is again after a failure
        failure: BaseException | None = self._transaction.left_open()
        return self._end(row, failure or _try_to_succeed(row, value))

    def roll_back(self, error: BaseException) -> BaseException:
        """Roll back because of *error*; return what the worker must know."""
        self._transaction.left_open()
        return self._end(self._row, error) or error

    def _end(self, row: StoredTask, failure: BaseException | None) -> BaseException | None:
        try:
            failure = self._transaction.end(failure)
        except BaseException as raised:  # noqa: BLE001  (of a callback, after the commit)
            failure = raised
        if failure is None or self._transaction.is_committed:
            self.ended = row
        elif isinstance(failure, DatabaseError) and self._is_lost(failure):
            return OperationalError(str(failure)).with_traceback(failure.__traceback__)
        return failure

    def _is_lost(self, failure: DatabaseError) -> bool:
        """Return whether a lost connection is why: PostgreSQL says "internal error" then."""
        return not is_put_off(failure) and self._transaction.has_lost_connection


def _try_to_succeed(row: StoredTask, value: Any) -> BaseException | None:
    try:
        if rows.succeed(row, normalize_json(value), effects()):
            return None
    except Exception as error:  # noqa: BLE001  (the transaction rolls back)
        return error
    return Overtaken()


def effects() -> bytes | None:
    """Return what the running task has sent, as its row stores it."""
    outbox = running()
    if outbox is None or not outbox.operations:
        return None
    return Effects(outbox.operations, []).encode()
