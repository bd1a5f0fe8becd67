"""The heartbeat of a server in a thread of its own, by a connection apart from its sockets.

The session of a server heartbeats in its event loop, behind all that the server writes. While
thousands of clients come back at once, that can take seconds, and the server would be declared
dead. This thread waits for nobody, as nobody else uses its connection meanwhile. It asks the event
loop for a sign of life at each heartbeat, and stops without one: a server whose event loop hangs is
declared dead, as is a frozen process.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis.client import ERRORS, Client
from channels_workers.layers.redis.registration import Registration
from channels_workers.layers.redis.requests import Request
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How often it heartbeats (s).
INTERVAL = 1.0

#: An event loop that has not turned for so long hangs (s).
HANGS_AFTER = 10.0

HANGS = (
    "The event loop of this server has not turned for %.0f s, so its heartbeat stops, and workers "
    "will declare it dead. Something blocks it: perhaps an async view, a middleware or a signal "
    "handler"
)


class HeartbeatThread:
    """Heartbeats for a server while *loop* turns.

    It calls *alarm* in the loop when Redis does not know the server any more, or has lost data. The
    session then looks what has happened.
    """

    def __init__(
        self,
        client: Client,
        loop: asyncio.AbstractEventLoop,
        alarm: Callable[[], object],
    ) -> None:
        self._client = client
        self._loop = loop
        self._alarm = alarm
        self._turned = time.monotonic()  # when the loop has shown that it lives
        self._is_stalled = False
        self._ended = threading.Event()

    def start(self, registration: Registration) -> None:
        """Begin, for the server of *registration*."""
        Duty("server heartbeat", lambda: self._run(registration)).start()

    def end(self) -> None:
        """Send no more heartbeats."""
        self._ended.set()

    # The thread

    def _run(self, registration: Registration) -> None:
        try:
            while not self._ended.wait(INTERVAL):
                if self._loop_lives(registration.process):
                    self._beat(registration.beat())
        except RuntimeError:  # the loop is closed, so the session has ended
            if not self._loop.is_closed():
                raise

    def _loop_lives(self, process: str) -> bool:
        self._loop.call_soon_threadsafe(self._note_turn)
        hangs_for = time.monotonic() - self._turned
        if hangs_for < HANGS_AFTER:
            self._is_stalled = False
        elif not self._is_stalled:
            self._is_stalled = True
            logger.error(HANGS, hangs_for, extra=fields("loop_hangs", process_id=process))
        return not self._is_stalled

    def _note_turn(self) -> None:
        self._turned = time.monotonic()

    def _beat(self, request: Request) -> None:
        try:
            is_known = self._client.call(request, quick=True)
        except (*ERRORS, LayerUnavailable) as error:  # the session logs it
            logger.debug("No heartbeat: %s", error)
            return
        if not is_known:
            self._loop.call_soon_threadsafe(self._alarm)
