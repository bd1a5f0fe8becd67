"""Reads the inbox of one interface server from Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from channels_workers.backoff import Attempts
from channels_workers.layers.operations import InboxEntry
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.connections import Host
from channels_workers.layers.redis.lines import AsyncLine
from channels_workers.layers.server import Departure, Server

logger = logging.getLogger(__name__)

#: Entries read from the inbox at once, and how long a read waits (ms).
INBOX_COUNT, INBOX_BLOCK = 500, 2000

#: The event loop runs others after this time (s).
TURN = 0.01


class Reader:
    """Lets *server* process what comes to its inbox, the stream *key* of the Redis at *host*.

    *depart* is told of the groups that have no member here any more.
    """

    def __init__(
        self, host: Host, key: str, server: Server, depart: Callable[[Iterable[Departure]], None]
    ) -> None:
        self.host = host
        self.key = key
        self.server = server
        self.depart = depart
        self.loop = asyncio.get_running_loop()
        self._attempts = Attempts(logger, "Reading the inbox")
        self._trouble: asyncio.Future[Exception] = self.loop.create_future()

    async def read(self, line: AsyncLine) -> None:
        """Read by *line*, until cancelled."""
        while connections.goes_on():
            try:
                await line.open()
                self._trouble = self.loop.create_future()
                self._ask(line)
                error = await self._trouble
            except Exception as failure:  # noqa: BLE001  (logged; whatever it is, the link goes on)
                error = failure
            outage = connections.unavailable(self.host, error)
            await asyncio.sleep(self._attempts.failed(outage))

    def _ask(self, line: AsyncLine) -> None:
        command = ("XREAD", "COUNT", INBOX_COUNT, "BLOCK", INBOX_BLOCK, "STREAMS", self.key)
        line.start([(*command, self.server.position or "0")], lambda reply: self._take(line, reply))

    def _take(self, line: AsyncLine, replies: list[Any] | Exception) -> None:
        reply = replies if isinstance(replies, Exception) else replies[0]
        try:
            if isinstance(reply, Exception):
                raise reply
            entries = deque(commands.read_inbox(reply))
        except Exception as error:  # noqa: BLE001  (see read)
            self._stop(error)
        else:
            self._attempts.succeeded()
            self._process(line, entries)

    def _process(self, line: AsyncLine, entries: deque[InboxEntry]) -> None:
        until = time.monotonic() + TURN
        try:
            while entries:
                self.depart(self.server.process(entries.popleft()))
                if entries and time.monotonic() > until:
                    self.loop.call_soon(self._process, line, entries)
                    return
            self._ask(line)
        except Exception as error:  # noqa: BLE001  (see read)
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        if not self._trouble.done():
            self._trouble.set_result(error)
