"""The fields of log lines: a fixed set of names, for programs that read the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def fields(
    event: str,
    *,
    channel: str | None = None,
    client: str | None = None,
    code: int | None = None,
    connection: str | None = None,
    consumer: str | None = None,
    message_id: str | None = None,
    path: str | None = None,
    process_id: str | None = None,
    request_id: str | None = None,
) -> dict[str, str | int]:
    """Return the ``extra`` of a log line about *event*, without the fields that are None.

    No field quotes a message or holds a secret. The reference of log events describes each field.
    """
    known = dict(locals())
    return {name: value for name, value in known.items() if value is not None}


def name_of(consumer: Callable[..., Any]) -> str:
    """Return the dotted name of a consumer, for logs."""
    module = getattr(consumer, "__module__", type(consumer).__module__)
    return f"{module}.{getattr(consumer, '__qualname__', type(consumer).__qualname__)}"


def shown(text: str) -> str:
    """Return *text*, such as a path, which clients choose, so that it fits into a line of a log."""
    return ascii(text[:200])[1:-1]


def described(error: BaseException) -> str:
    """Return the type of *error*, and its text if it has one."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
