"""Reads the inbox of one interface server from Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

from channels_workers.backoff import Backoff
from channels_workers.layers.kept import HandOver
from channels_workers.layers.redis import hosts, wire
from channels_workers.layers.redis.async_pipeline import AsyncPipeline
from channels_workers.layers.redis.options import Host
from channels_workers.layers.redis.resp import pack
from channels_workers.layers.server import Departure, Server
from channels_workers.layers.types import InboxEntry, Unreadable
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The most entries read from the inbox at once, and how long a read waits (ms).
INBOX_COUNT, INBOX_BLOCK = 500, 2000

#: About how much is read at once, while entries are as large as those read before (bytes). Redis
#: bounds a read by entries only, and one may have hundreds of KiB: a piece of a response.
READ_SIZE = 16 * 1024 * 1024

#: After this time other callbacks of the event loop have their turn (s).
TURN = 0.01

#: How much is read before the inbox is trimmed, if no heartbeat does it before (bytes).
UNTRIMMED = 8 * 1024 * 1024


#: The longest id of Redis before the year 5138, with 10 digits after the dash.
LONGEST_ID = 26


class NoIdsLeft(Exception):
    """A foreign entry of an inbox has an id so large that none can follow."""


class Listener(Protocol):
    """Is notified of events in an inbox; no method waits."""

    def depart(self, departures: Iterable[Departure]) -> None:
        """Note which groups have no member here any more."""

    def keep_unreadable(self, found: Iterable[Unreadable]) -> None:
        """Note unreadable data."""

    def republish(self) -> None:
        """Note a flush, which has deleted the pending messages of connections."""

    def hand_over(self, found: Iterable[HandOver]) -> None:
        """Note connections that other servers have adopted."""

    def mend_inbox(self) -> None:
        """Note that the key of the inbox is not a stream, or has no ids left."""

    def trim_inbox(self) -> None:
        """Note that much of the inbox has been read, and is still in it."""


class InboxReader:
    """Reads the inbox of *server*, the stream *key* of the Redis at *host*.

    *listener* is notified of events. *read_at* is when the inbox was last empty (monotonic s).
    """

    def __init__(self, host: Host, key: str, server: Server, listener: Listener) -> None:
        self.host = host
        self.key = key
        self.server = server
        self.listener = listener
        self.read_at = time.monotonic()
        self.is_behind = False  # entries that were read wait for their turn
        self.loop = asyncio.get_running_loop()
        self._attempts = Backoff(logger, "Reading the inbox")
        self._untrimmed = 0  # bytes
        self._count = INBOX_COUNT  # entries to read next
        self._largest = 0  # bytes of an entry of this read
        self._pipeline: AsyncPipeline
        self._trouble: asyncio.Future[Exception] = self.loop.create_future()

    async def read(self, pipeline: AsyncPipeline) -> None:
        """Read by *pipeline*, until cancelled."""
        self._pipeline = pipeline
        while hosts.goes_on():
            try:
                await pipeline.open()
                self._trouble = self.loop.create_future()
                self._ask()
                error = await self._trouble
            except Exception as failure:  # noqa: BLE001  (logged; whatever it is, the link goes on)
                error = failure
            if hosts.is_wrong_type(error) or isinstance(error, NoIdsLeft):
                self.listener.mend_inbox()
            outage = hosts.unavailable(self.host, error)
            await asyncio.sleep(self._attempts.failed(outage))

    def _ask(self) -> None:
        if self._count < INBOX_COUNT or self._largest * INBOX_COUNT > READ_SIZE:
            self._adapt_count()
        read = ("XREAD", "COUNT", self._count, "BLOCK", INBOX_BLOCK)
        command = (*read, "STREAMS", self.key, self.server.position or "0")
        self._pipeline.start(pack(command), 1, self._take)

    def _adapt_count(self) -> None:
        fitting = READ_SIZE // max(1, self._largest)
        self._count = max(1, min(INBOX_COUNT, 2 * self._count, fitting))
        self._largest = 0

    def _take(self, replies: list[Any] | Exception) -> None:
        reply = replies if isinstance(replies, Exception) else replies[0]
        try:
            entries = deque(wire.read_inbox(reply))
            self.is_behind = bool(entries)
        except Exception as error:  # noqa: BLE001  (see read)
            self._stop(error)
        else:
            self._process(entries)

    def _process(self, entries: deque[InboxEntry]) -> None:  # noqa: C901  (no call for each entry)
        if self._trouble.done():  # the reader was cancelled meanwhile
            return
        until, server = time.monotonic() + TURN, self.server
        try:
            while entries:
                entry, before = entries.popleft(), server.position
                try:  # without a call for each entry
                    departures = server.process(entry)
                    if departures or server.was_flushed or server.kept.hand_overs:
                        self._pass_on(departures)
                    size = sum([len(operation.value) for operation in entry.operations])
                    self._largest = max(self._largest, size)
                    self._untrimmed += size
                    if self._untrimmed > UNTRIMMED:
                        self._untrimmed = 0
                        self.listener.trim_inbox()
                except Exception:  # it must not stop those behind it
                    extra = fields("inbox_failed", process_id=server.id)
                    logger.exception("Inbox entry %s failed", entry.id, extra=extra)
                    server.position = entry.id
                if len(entry.id) > LONGEST_ID:
                    server.position = before  # all later entries will have a smaller id
                    raise NoIdsLeft(f"Entry {entry.id} of an inbox leaves no ids for others.")
                if entries and time.monotonic() > until:
                    self.loop.call_soon(self._process, entries)
                    return
            self.read_at = time.monotonic()
            self.is_behind = False
            if self.server.unreadable:
                self.listener.keep_unreadable(self.server.take_unreadable())
            if self._attempts.failures:
                self._attempts.succeeded()
            self._ask()
        except Exception as error:  # noqa: BLE001  (see read)
            self._stop(error)

    def _pass_on(self, departures: list[Departure]) -> None:
        """Tell the listener what an entry has caused."""
        if departures:
            self.listener.depart(departures)
        if self.server.was_flushed:
            self.server.was_flushed = False
            self.listener.republish()
        if self.server.kept.hand_overs:
            self.listener.hand_over(self.server.kept.take_hand_overs())

    def _stop(self, error: Exception) -> None:
        if not self._trouble.done():
            self._trouble.set_result(error)
