"""Reads the inbox of one interface server from Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from channels_workers.backoff import Backoff
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.lines import AsyncLine
from channels_workers.layers.redis.options import Host
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.types import InboxEntry, Unreadable
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Entries read from the inbox at once, and how long a read waits (ms).
INBOX_COUNT, INBOX_BLOCK = 500, 2000

#: The event loop runs others after this time (s).
TURN = 0.01


#: An id of Redis is no longer than this before the year 5138, with 10 digits of its number.
LONGEST_ID = 26


class NoIdsLeft(Exception):
    """Somebody has added an entry to an inbox with an id so large that none can follow."""


class Listener(Protocol):
    """What is told of an inbox; none of it waits."""

    def depart(self, departures: Iterable[Departure]) -> None:
        """Note which groups have no member here any more."""

    def keep_unreadable(self, found: Iterable[Unreadable]) -> None:
        """Note what could not be read."""

    def republish(self) -> None:
        """Note that the layer was flushed: what connections had published is not there any more."""

    def mend_inbox(self) -> None:
        """Note that the key of the inbox is no stream, or one that has no ids left."""


class Reader:
    """Lets *server* process what comes to its inbox, the stream *key* of the Redis at *host*.

    *listener* is told what follows from it. *read_at* is when all that was there had been
    processed, or nothing had come for a while (monotonic seconds).
    """

    def __init__(self, host: Host, key: str, server: Server, listener: Listener) -> None:
        self.host = host
        self.key = key
        self.server = server
        self.listener = listener
        self.read_at = time.monotonic()
        self.loop = asyncio.get_running_loop()
        self._attempts = Backoff(logger, "Reading the inbox")
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
            if connections.is_wrong_type(error) or isinstance(error, NoIdsLeft):
                self.listener.mend_inbox()
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
                self._process_entry(entries.popleft())
                if entries and time.monotonic() > until:
                    self.loop.call_soon(self._process, line, entries)
                    return
            self.read_at = time.monotonic()
            if unreadable := self.server.take_unreadable():
                self.listener.keep_unreadable(unreadable)
            self._ask(line)
        except Exception as error:  # noqa: BLE001  (see read)
            self._stop(error)

    def _process_entry(self, entry: InboxEntry) -> None:
        before = self.server.position
        self._try_process(entry)
        if len(entry.id) > LONGEST_ID:
            self.server.position = before  # all that comes after it will have a smaller id
            raise NoIdsLeft(f"Entry {entry.id} of an inbox leaves no ids for others.")

    def _try_process(self, entry: InboxEntry) -> None:
        try:
            self.listener.depart(self.server.process(entry))
            if any(operation.kind == "f" for operation in entry.operations):
                self.listener.republish()
        except Exception:  # none may stop those behind it
            extra = fields("inbox_failed", process_id=self.server.id)
            logger.exception("Inbox entry %s failed", entry.id, extra=extra)
            self.server.position = entry.id

    def _stop(self, error: Exception) -> None:
        if not self._trouble.done():
            self._trouble.set_result(error)
