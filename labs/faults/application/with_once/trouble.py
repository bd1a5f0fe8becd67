"""What happens to a worker at an exact moment of a run, ordered by the sender of a message.

The moments are those between two commits, which random signals rarely meet. The engine does not
know: all of this is done with hooks of Django.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import redis
from django.db import OperationalError, connection, connections, transaction

from labs.faults.application.ledger import count_run
from labs.faults.application.settings import given
from labs.faults.application.with_once import relaying

#: The beginning of the statement that stores the row of ``@once``.
STORES = 'INSERT INTO "channels_workers_committedmessage"'


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _empty() -> None:
    with redis.Redis.from_url(given["redis"]) as client:
        client.flushall()


def _cut() -> None:
    connection.close()
    raise OperationalError("The connection is lost, and with it the reply.")


def _after_the_row(act: Callable[[], None]) -> None:
    """Act after the row of ``@once`` is inserted, before the COMMIT."""

    def execute(run: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = run(sql, *args)
        if sql.startswith(STORES):
            connection.execute_wrappers.remove(execute)
            act()
        return result

    with connection.cursor() as cursor:
        # A frozen transaction with the row would hold up the next run of the message.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '3s'")
    connection.execute_wrappers.append(execute)


def _instead_of_the_reply(act: Callable[[], None]) -> None:
    """Act when the database has committed, before the process knows."""
    database = connections[connection.alias]

    def commit() -> None:
        del database.commit
        database.commit()
        act()

    database.commit = commit  # type: ignore[method-assign]


DO = {"kill": _kill, "stop": _stop, "empty": _empty, "cut": _cut}

#: ``inside``: at the end of the consumer. ``stored``: its SQL is complete, and not committed.
#: ``unheard``: the database has committed, and the worker does not know yet. ``committed``: it
#: knows, and the layer has not committed.
WHEN: dict[str, Callable[[Callable[[], None]], None]] = {
    "inside": lambda act: act(),
    "stored": _after_the_row,
    "unheard": _instead_of_the_reply,
    "committed": transaction.on_commit,
}


def get_into(order: dict[str, Any] | None, message: str) -> None:
    """Do what *order* says when it says, in the first run of *message*."""
    if order is None or "when" not in order or count_run(message) > 1:
        return
    if order["when"] in relaying.MOMENTS:
        relaying.wait_for_relay(order)
    else:
        WHEN[order["when"]](DO[order["do"]])
