"""Private parts of Django that the engine uses, and what is lost without them."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.http.response import HttpResponseBase

#: The lists of open blocks of a connection.
BLOCKS = ("savepoint_ids", "atomic_blocks")


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
