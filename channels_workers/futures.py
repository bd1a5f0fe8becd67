"""What is done with futures by callbacks."""

from __future__ import annotations

import asyncio
from typing import Any


def settle(future: asyncio.Future[Any], value: Any) -> None:
    """Let *future* have *value*, or raise it if it is an exception, unless nobody waits for it."""
    if future.done():
        return
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
