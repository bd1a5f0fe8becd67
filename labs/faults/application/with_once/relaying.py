"""What happens to a worker at an exact moment of relaying, ordered by the sender of a message.

The order waits in Redis until a relay comes to that moment. The engine does not know: this is done
with hooks of Django.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import redis
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from channels_workers.conf import configuration
from labs.faults.application.settings import given

#: The beginnings of the statements that read stored sends, and that delete them.
READS = 'SELECT "channels_workers_storedsend"."id"'
DELETES = 'DELETE FROM "channels_workers_storedsend"'

#: ``read``: it has rows, and has sent none of them. ``sent``: it has deleted none of those that it
#: sent. ``deleted``: Redis remembers them yet.
MOMENTS = ("read", "sent", "deleted")

ORDER = "relay-order"


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


DO = {"kill": _kill, "stop": _stop}


def wait_for_relay(order: dict[str, Any]) -> None:
    """Let *order* wait for the next relay that comes to its moment."""
    with redis.Redis.from_url(given["redis"]) as client:
        client.set(ORDER, f"{order['do']} {order['when']}")


def _act(moment: str) -> None:
    with redis.Redis.from_url(given["redis"]) as client:
        what, _, when = (client.get(ORDER) or b"").decode().partition(" ")
        if when == moment and client.delete(ORDER):
            DO[what]()


def _execute(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    if sql.startswith(DELETES):
        _act("sent")
    result = run(sql, params, many, context)
    if sql.startswith(DELETES):
        _act("deleted")
    elif sql.startswith(READS) and context["cursor"].rowcount > 0:
        _act("read")
    return result


def _watch(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if _execute not in connection.execute_wrappers:
        connection.execute_wrappers.append(_execute)


if configuration().RELAY:
    connection_created.connect(_watch)
