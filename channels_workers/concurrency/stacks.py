"""The stacks of threads and coroutines, for the log."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

#: How many frames are logged at most, the innermost.
FRAMES = 30

_PACKAGE = Path(__file__).parents[1]

#: The frames above a consumer.
_WORKER = f"{_PACKAGE / 'worker'}/"

#: Code that waits for clients.
_HTTP = f"{_PACKAGE / 'http'}/"

#: The prefixes of the attributes of coroutines, asynchronous generators and generators.
KINDS = ("cr", "ag", "gi")

Stack = list[tuple[FrameType, int]]


def stack_of_thread(ident: int) -> Stack:
    """Return the stack of the thread *ident*, outermost first; empty if it has ended."""
    frame = sys._current_frames().get(ident)
    return [] if frame is None else [*reversed(list(traceback.walk_stack(frame)))]


def stack_of_coroutine(coroutine: Any) -> Stack:
    """Return where *coroutine*, which another thread may run, awaits; outermost first."""
    return list(_awaiting(coroutine))


def _awaiting(coroutine: Any) -> Iterator[tuple[FrameType, int]]:
    while coroutine is not None:
        kind = next((kind for kind in KINDS if hasattr(coroutine, f"{kind}_frame")), "")
        frame = getattr(coroutine, f"{kind}_frame", None)
        if frame is not None:
            yield frame, frame.f_lineno
        inner = "gi_yieldfrom" if kind == "gi" else f"{kind}_await"
        coroutine = getattr(coroutine, inner, None)


def waits_for_client(stack: Stack) -> bool:
    """Say whether the consumer with *stack* sends a response, as quickly as its client reads."""
    return any(frame.f_code.co_filename.startswith(_HTTP) for frame, _ in stack)


def shown_stack(stack: Stack) -> str:
    """Return *stack* as lines, without the frames of the worker above its consumer."""
    above = (
        number
        for number, (frame, _) in enumerate(stack)
        if frame.f_code.co_filename.startswith(_WORKER)
    )
    start = max(above, default=-1) + 1
    inner = stack[start:][-FRAMES:]
    return "".join(traceback.StackSummary.extract(iter(inner)).format()).rstrip()
