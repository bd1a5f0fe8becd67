"""Private parts of Django that the engine uses, and what is lost without them."""

from __future__ import annotations

import sys
from typing import Any

from django.core import mail
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http.response import HttpResponseBase

#: The lists of open blocks of a connection.
BLOCKS = ("savepoint_ids", "atomic_blocks")


#: Where Django's test runners, and pytest-django, keep what they change for a run of tests.
TEST_UTILS, TEST_STATE = "django.test.utils", "_TestState"


def is_in_tests() -> bool:
    """Say whether this process runs tests, whose sends no worker need hear.

    In a Django without this part, a list that collects mail stands for it: a project whose mail
    goes to memory misses a few warnings then.
    """
    if (utils := sys.modules.get(TEST_UTILS)) is None:
        return False
    state = getattr(utils, TEST_STATE, None)
    return hasattr(mail, "outbox") if state is None else hasattr(state, "saved_data")


def note_handler(response: HttpResponseBase, handler: type) -> None:
    """Let the signal ``request_finished`` name *handler* as its sender.

    In a Django without this part the sender is None.
    """
    response._handler_class = handler  # type: ignore[attr-defined]


async def close_iterator(response: HttpResponseBase) -> None:
    """Close the asynchronous generator behind a streaming *response*.

    ``response.close()`` closes only iterators with ``close()``. In a Django without this part the
    event loop closes the generator when nothing refers to it.
    """
    close: Any = getattr(getattr(response, "_iterator", None), "aclose", None)
    if close is not None:
        await close()


def open_blocks(connection: BaseDatabaseWrapper) -> list[list[Any]]:
    """Return the lists of the open blocks of the transaction of *connection*, to read and to cut.

    In a Django without these lists, blocks that somebody leaves open are not noticed.
    """
    return [getattr(connection, name, []) for name in BLOCKS]
