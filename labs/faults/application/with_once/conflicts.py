"""Transactions that cannot both be committed, ordered by the senders of messages."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import OperationalError, connection

logger = logging.getLogger(__name__)


def clash(order: dict[str, Any] | None) -> None:
    """Carry out *order*, in each run of its message. Call it before any other SQL.

    ``cross`` adds to the ``counters``, one after the other: two that cross each other deadlock.
    ``read`` reads the first counter, and writes it back increased: of two at once, one cannot be
    serialized. Between its statements each takes ``seconds``.
    """
    if order is None or order["do"] not in {"cross", "read"}:
        return
    try:
        (_cross if order["do"] == "cross" else _read)(order["counters"], order["seconds"])
    except OperationalError as error:
        logger.warning("Undone by %s", type(error.__cause__).__name__)
        raise


def _cross(counters: list[int], seconds: float) -> None:
    with connection.cursor() as cursor:
        for counter in counters:
            cursor.execute("UPDATE counter SET value = value + 1 WHERE id = %s", [counter])
            time.sleep(seconds)


def _read(counters: list[int], seconds: float) -> None:
    counter, *_ = counters
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        cursor.execute("SELECT value FROM counter WHERE id = %s", [counter])
        value = cursor.fetchone()[0]
        time.sleep(seconds)
        cursor.execute("UPDATE counter SET value = %s WHERE id = %s", [value + 1, counter])
