"""Asks all shards at the same time, and waits for none for long."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import LayerUnavailable

Answer = TypeVar("Answer")

#: How long the others may take once one shard has answered (s).
PATIENCE = 0.7

SLOW = "Shard %s does not answer in time."


def ask_all_at_once(
    names: Sequence[str], ask: Callable[[str], Answer]
) -> tuple[dict[str, Answer], dict[str, LayerUnavailable]]:
    """Return what the shards *names* answer, in order, and why others do not.

    One that takes much longer than the first to answer is among these. Other errors are raised.
    """
    found: queue.SimpleQueue[tuple[str, Answer | Exception]] = queue.SimpleQueue()
    for name in names:
        Duty(f"question to shard {name}", partial(_ask, name, ask, found)).start()
    replies = _take(found, len(names))
    answers: dict[str, Answer] = {}
    failures: dict[str, LayerUnavailable] = {}
    for name in names:
        reply = replies.get(name, LayerUnavailable(SLOW % name))
        if isinstance(reply, LayerUnavailable):
            failures[name] = reply
        elif isinstance(reply, Exception):
            raise reply
        else:
            answers[name] = reply
    return answers, failures


def _take(
    found: queue.SimpleQueue[tuple[str, Answer | Exception]], count: int
) -> dict[str, Answer | Exception]:
    """Return *count* replies, or fewer when the time after the first answer is over."""
    replies, deadline = dict[str, Answer | Exception](), math.inf
    while len(replies) < count:
        left = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
        try:
            name, reply = found.get(timeout=left)
        except queue.Empty:
            break
        replies[name] = reply
        if not isinstance(reply, Exception):
            deadline = min(deadline, time.monotonic() + PATIENCE)
    return replies


def _ask(
    name: str,
    ask: Callable[[str], Answer],
    found: queue.SimpleQueue[tuple[str, Answer | Exception]],
) -> None:
    try:
        found.put((name, ask(name)))
    except Exception as error:  # noqa: BLE001  (the caller raises it)
        found.put((name, error))
