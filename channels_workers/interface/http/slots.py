"""The places inside Django: how many requests run there at once, and how many wait for one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from django.http import HttpRequest

from channels_workers.conf import configuration
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The key of a request's place in its scope.
KEY = "channels_workers.place"


class NoPlace(Exception):
    """No place was free in time, or too many requests wait for one."""


class Places:
    """The places of one interface server: ``REQUESTS_AT_ONCE``, and beside them those that stream.

    Requests that wait get one in the order in which they came, unless their client leaves.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.streams = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._episodes = Episodes()

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a place."""
        return len(self._waiting)

    async def take(self, gone: Callable[[], Awaitable[None]]) -> Place | None:
        """Return a place; None if *gone* returns first. NoPlace if none is free in time."""
        limits = configuration()
        at_once = limits.REQUESTS_AT_ONCE
        if at_once and (self.taken >= at_once or self._waiting):
            if len(self._waiting) >= limits.REQUESTS_WAITING:
                self._refuse()
            if not await self._wait(gone, limits.REQUEST_WAIT_TIMEOUT):
                return None
        else:
            self.taken += 1
        return Place(self)

    async def _wait(self, gone: Callable[[], Awaitable[None]], seconds: float) -> bool:
        """Wait until a place is ours; False if *gone* returns first, NoPlace after *seconds*."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        leaving = asyncio.ensure_future(gone())
        self._waiting.append(turn)
        is_ours = False
        try:
            await asyncio.wait({turn, leaving}, timeout=seconds, return_when="FIRST_COMPLETED")
            is_ours = turn.done() and not leaving.done()
            if not (is_ours or leaving.done()):
                self._refuse()
        finally:
            leaving.cancel()
            if not is_ours:
                self._give_up(turn)
        return is_ours

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self.give_back()
        else:
            self._waiting.remove(turn)

    def give_back(self) -> None:
        """Let the next one in."""
        self.taken -= 1
        if self._waiting:
            self.taken += 1
            self._waiting.popleft().set_result(None)

    def _refuse(self) -> None:
        self._episodes.log(
            logger,
            logging.WARNING,
            "All %d places inside Django are taken, and %d requests wait: they are answered "
            "503. Look for views that take long; or raise REQUESTS_AT_ONCE, if the database "
            "allows more connections",
            self.taken,
            len(self._waiting),
            extra=fields("pages_full"),
        )
        raise NoPlace


class Place:
    """One request's place."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._loop = asyncio.get_running_loop()
        self._is_stream = self._is_left = False
        self.lingers = False  # it was asked to let others in

    def stream(self) -> None:
        """Give it back while the request goes on, if no more than ``STREAMS_AT_ONCE`` do so."""
        places = self._places
        self.lingers = True
        if self._is_left or self._is_stream:
            return
        if places.streams < configuration().STREAMS_AT_ONCE:
            self._is_stream = True
            places.streams += 1
            places.give_back()

    def stream_soon(self) -> None:
        """The same, from any thread."""
        self._loop.call_soon_threadsafe(self.stream)

    def leave(self) -> None:
        """Give it back for good; a second time does nothing."""
        if self._is_left:
            return
        self._is_left = True
        if self._is_stream:
            self._places.streams -= 1
        else:
            self._places.give_back()


def leave_place(request: HttpRequest) -> None:
    """Let others into Django while the view of *request* waits for long, as a long poll does.

    It counts as one of ``STREAMS_AT_ONCE`` from then on, and keeps its place if these are there.
    Close connections to the database before you wait: they count with the places. Outside an
    interface server it does nothing.
    """
    place = getattr(request, "scope", {}).get(KEY)
    if place is not None:
        place.stream_soon()
