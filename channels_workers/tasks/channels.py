"""The channels of tasks: three for each queue, by priority; and how long a message waits."""

from __future__ import annotations

import re
import time
from datetime import datetime

from channels_workers.layers.types import TASKS

#: The longest name of a queue: ``tasks.<queue>.high`` has at most 99 characters, as any channel.
LONGEST_QUEUE = 88

#: No period: the queue "a.high" would share a channel with the queue "a".
is_queue_name = re.compile(rf"[a-zA-Z0-9_-]{{1,{LONGEST_QUEUE}}}").fullmatch


def channel_of(queue: str, priority: int) -> str:
    """Return the channel of a task with this *priority* in *queue*."""
    ending = ".high" if priority > 0 else ".low" if priority < 0 else ""
    return f"{TASKS}{queue}{ending}"


def channels_of(queue: str) -> list[str]:
    """Return all channels of *queue*."""
    return [channel_of(queue, priority) for priority in (1, 0, -1)]


def seconds_until(moment: datetime | None) -> float:
    """Return how far *moment* is ahead (s); a naive one is in local time. It is 0 for the past."""
    return 0.0 if moment is None else max(0.0, moment.timestamp() - time.time())
