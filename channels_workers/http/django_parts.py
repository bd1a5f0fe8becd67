"""Private parts of Django that responses need, and what is lost without them."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase


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
