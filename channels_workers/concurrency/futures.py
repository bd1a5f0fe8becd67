"""What is done with futures by callbacks, and with event loops from other threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> bool:
    """Have *function* called in *loop*, from any thread; False if the loop has ended."""
    if loop.is_closed():
        return False
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # it has been closed since
        return False
    return True


def settle(future: asyncio.Future[Any], value: Any) -> None:
    """Let *future* have *value*, or raise it if it is an exception, unless nobody waits for it."""
    if future.done():
        return
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
