"""The heartbeat of a server in a thread of its own, by a connection apart from its sockets.

The session of a server heartbeats in its event loop, behind all that the server writes. While
thousands of clients come back at once, that can take seconds, and the server would be declared
dead. This thread waits for nobody, as nobody else uses its connection meanwhile. It asks the event
loop for a sign of life at each heartbeat, and stops without one: a server whose event loop hangs is
declared dead, as is a frozen process. So is one that has Redis, but whose session does not get
through: it would hold sockets whose frames reach nobody.
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

#: A session that has not got through for so long, while this thread has, is stuck (s).
STUCK_AFTER = 30.0

HANGS = (
    "The event loop of this server has not turned for %.0f s, so its heartbeat stops, and workers "
    "will declare it dead. Something blocks it: perhaps an async view, a middleware or a signal "
    "handler"
)

STUCK = (
    "This server reaches Redis, but its session has not got through for %.0f s, so its heartbeat "
    "stops, and workers will declare it dead. Perhaps Redis refuses its scripts, or the network "
    "drops its packets: a `socket_timeout` in the hosts of CHANNEL_LAYERS would end that"
)


class HeartbeatThread:
    """Heartbeats for a server while *loop* turns and its session gets through.

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
        self._is_stalled = self._is_stuck = False
        self._got_through = self._turned  # when the session did
        self._failed = self._turned  # when no heartbeat of this thread was possible
        self._ended = threading.Event()

    def start(self, registration: Registration) -> None:
        """Begin, for the server of *registration*."""
        self.session_got_through()
        Duty("server heartbeat", lambda: self._run(registration)).start()

    def end(self) -> None:
        """Send no more heartbeats."""
        self._ended.set()

    def session_got_through(self) -> None:
        """Note that Redis has answered the session."""
        self._got_through = time.monotonic()

    # The thread

    def _run(self, registration: Registration) -> None:
        try:
            while not self._ended.wait(INTERVAL):
                process = registration.process
                if not self._loop_lives(process):
                    self._failed = time.monotonic()
                elif self._session_lives(process):
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

    def _session_lives(self, process: str) -> bool:
        silent_for = time.monotonic() - max(self._got_through, self._failed)
        if silent_for < STUCK_AFTER:
            self._is_stuck = False
        elif not self._is_stuck:
            self._is_stuck = True
            logger.error(STUCK, silent_for, extra=fields("session_stuck", process_id=process))
        return not self._is_stuck

    def _note_turn(self) -> None:
        self._turned = time.monotonic()

    def _beat(self, request: Request) -> None:
        try:
            is_known = self._client.call(request, quick=True)
        except (*ERRORS, LayerUnavailable) as error:  # the session logs it
            logger.debug("No heartbeat: %s", error)
            self._failed = time.monotonic()
            return
        if not is_known:
            self._loop.call_soon_threadsafe(self._alarm)
