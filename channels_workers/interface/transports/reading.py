"""A request that gets the frames of a socket: by one answer, or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from channels_workers.exceptions import LayerUnavailable
from channels_workers.interface.http.responses import Answer
from channels_workers.interface.transports.answers import (
    KEEP_ALIVE,
    begin_events,
    end_events,
    event,
    send_json,
    send_part,
)
from channels_workers.interface.transports.refusals import REPLACED, Busy, Refused, Stopping
from channels_workers.layers.codec import Content

#: How long a long poll waits for frames (s). Heroku wants the first byte within 30 s.
POLL_TIME = 20.0

#: How often a stream without frames sends a comment (s). Heroku ends one after 55 s without a byte.
COMMENT_INTERVAL = 15.0


class Fetch(Protocol):
    """Asks for the frames after a number, wherever the socket is; see :class:`.homes.Homes`."""

    async def __call__(self, after: int, wait: float, *, is_first: bool) -> Content:
        """Return an answer that has frames or, after *wait* seconds or earlier, none."""


async def poll(fetch: Fetch, after: int, answer: Answer, found: Callable[[], None]) -> None:
    """Answer once there are frames after number *after*, or after :data:`POLL_TIME` without any.

    *found* is called when the socket is known to be there.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + POLL_TIME
    fetched = await fetch(after, 0.0, is_first=True)
    found()
    while fetched["is_empty"] and (left := until - loop.time()) > 0:
        fetched = await fetch(after, left, is_first=False)
    if fetched["is_replaced"]:
        raise Refused(REPLACED, "A newer request gets the frames.")
    await send_json(answer, fetched["data"])


async def stream(fetch: Fetch, after: int, answer: Answer, found: Callable[[], None]) -> None:
    """Answer with a stream of the frames after number *after*, until the socket is closed.

    A stream that this server can no longer feed ends, and its client asks for another.
    """
    fetched = await fetch(after, 0.0, is_first=True)
    found()
    await begin_events(answer)
    loop = asyncio.get_running_loop()
    due = loop.time() + COMMENT_INTERVAL
    while not answer.is_cut and not fetched["is_replaced"]:
        if not fetched["is_empty"]:
            after = fetched["after"]
            await send_part(answer, event(after, fetched["data"]))
            due = loop.time() + COMMENT_INTERVAL
        elif loop.time() >= due:
            await send_part(answer, KEEP_ALIVE)
            due = loop.time() + COMMENT_INTERVAL
        if fetched["is_end"]:
            break
        try:
            fetched = await fetch(after, max(0.1, due - loop.time()), is_first=False)
        except (Refused, LayerUnavailable, Busy, Stopping):
            break
    await end_events(answer)
