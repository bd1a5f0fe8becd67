"""Waiting for a condition, with a time-out and a clear error message."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.02


def wait_for(condition: Callable[[], T], what: str | Callable[[], str], timeout: float = 60.0) -> T:
    """The first true value of `condition`. AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"Waited {timeout:g} s in vain for {said}")
        pause.wait(PAUSE)
    return value
