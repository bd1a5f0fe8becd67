"""Settles futures from callbacks, and calls event loops from other threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> bool:
    """Call *function* in *loop*, from any thread; return False if the loop has ended."""
    if loop.is_closed():
        return False
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # closed since
        return False
    return True


def settle(future: asyncio.Future[Any], value: Any) -> None:
    """Set *value* as the result of *future*, or as its exception, unless the future is done."""
    if future.done():
        return
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
