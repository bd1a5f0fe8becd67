"""The bodies of HTTP requests: limits for one body, for all bodies, and for the time they take.

A request reaches Django, or a health page, only with its whole body. So a slow client never holds a
place inside Django, or one of its threads.
"""

from __future__ import annotations

import asyncio
import logging
from tempfile import SpooledTemporaryFile

from channels_workers.conf import configuration
from channels_workers.interface.http.exchanges import INTERFACE, Exchanges
from channels_workers.interface.types import Event, Receive, Scope
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Bytes of one body that stay in memory; the rest goes into a temporary file.
IN_MEMORY = 256 * 1024

#: Size of the pieces in which a body is handed on (bytes).
PIECE = 64 * 1024

TOO_LATE, TOO_LARGE, TOO_MUCH = 408, 413, 503


class Bodies:
    """The bodies that one interface server keeps at the moment."""

    def __init__(self, exchanges: Exchanges | None = None) -> None:
        self.kept = 0
        self._exchanges = Exchanges() if exchanges is None else exchanges
        self._episodes = Episodes()

    def judge_length(self, length: int) -> int:
        """Return 0 if a body of *length* bytes is accepted, else the status to answer."""
        limit = configuration().REQUEST_BODY_SIZE
        if length <= limit:
            return 0
        self._exchanges.refuse("body_size")
        self._episodes.log(
            logger,
            logging.WARNING,
            "A request is answered 413: its body has more than %d bytes, REQUEST_BODY_SIZE",
            limit,
            extra=fields("request_refused"),
        )
        return TOO_LARGE

    def keep(self, size: int) -> int:
        """Count *size* more bytes; return 0, or the status to answer if they are too many."""
        limit = configuration().REQUEST_BYTES_WAITING
        if self.kept + size > limit:
            self._exchanges.refuse("all_bodies")
            self._episodes.log(
                logger,
                logging.WARNING,
                "Requests are answered 503: their bodies take more than %d bytes, "
                "REQUEST_BYTES_WAITING",
                limit,
                extra=fields("request_refused"),
            )
            return TOO_MUCH
        self.kept += size
        return 0

    def release(self, size: int) -> None:
        """Count *size* bytes no more."""
        self.kept -= size

    def note_late(self) -> int:
        """Log that a body took too long; return the status to answer."""
        self._exchanges.refuse("body_time")
        self._episodes.log(
            logger,
            logging.WARNING,
            "A request is answered 408: its body did not come within %g s, REQUEST_BODY_TIMEOUT",
            configuration().REQUEST_BODY_TIMEOUT,
            extra=fields("request_refused"),
        )
        return TOO_LATE

    def note_refused(self, status: int) -> None:
        """Note that a server program answers *status* at once: the application sees no request."""
        self._exchanges.count(INTERFACE, status)


class Body:
    """The body of one request, read from *receive*."""

    def __init__(self, receive: Receive, bodies: Bodies) -> None:
        self._receive = receive
        self._bodies = bodies
        self._file: SpooledTemporaryFile[bytes] | None = None
        self._left = 0  # bytes that are not handed on yet
        self._is_handed_on = False
        self._next: asyncio.Future[Event] | None = None
        self.size = 0
        self.is_gone = False  # the client, before all was here

    async def collect(self, scope: Scope) -> int:
        """Read all of it; return 0, or the status of the refusal."""
        status = self._bodies.judge_length(content_length(scope))
        if status:
            return status
        try:
            async with asyncio.timeout(configuration().REQUEST_BODY_TIMEOUT):
                return await self._collect()
        except TimeoutError:
            return self._bodies.note_late()

    async def _collect(self) -> int:
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                self.is_gone = True
                return 0
            status = self._take(event.get("body") or b"")
            if status or not event.get("more_body"):
                self._left = self.size
                return status

    def _take(self, part: bytes) -> int:
        if not part:
            return 0
        status = self._bodies.judge_length(self.size + len(part)) or self._bodies.keep(len(part))
        if status:
            return status
        self.size += len(part)
        if self._file is None:
            self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._file.write(part)
        return 0

    async def __call__(self) -> Event:
        """Hand on the body, and after it the disconnect event of the server."""
        if self._is_handed_on:
            return await asyncio.shield(self._coming())
        part = b""
        if self._file is not None:
            if self._left == self.size:
                self._file.seek(0)
            part = self._file.read(PIECE)
            self._left -= len(part)
        self._is_handed_on = not self._left
        return {"type": "http.request", "body": part, "more_body": bool(self._left)}

    def read(self, offset: int, size: int) -> bytes:
        """Return up to *size* bytes of the collected body from *offset* on; none after `free`."""
        if self._file is None:
            return b""
        self._file.seek(offset)
        return self._file.read(size)

    async def gone(self) -> None:
        """Wait until the client leaves, or sends more than it may."""
        await asyncio.shield(self._coming())

    def _coming(self) -> asyncio.Future[Event]:
        if self._next is None or (self._next.done() and not _is_end(self._next)):
            self._next = asyncio.ensure_future(self._receive())
        return self._next

    def free(self) -> None:
        """Free its memory and its file."""
        self._bodies.release(self.size)
        self.size = self._left = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def release(self) -> None:
        """Do the same, and wait for its client no more."""
        self.free()
        if self._next is not None:
            self._next.cancel()


def _is_end(coming: asyncio.Future[Event]) -> bool:
    if coming.cancelled() or coming.exception() is not None:
        return False
    return bool(coming.result()["type"] == "http.disconnect")


def content_length(scope: Scope) -> int:
    """Return the Content-Length of a request; 0 without a valid one."""
    for name, value in scope.get("headers", ()):
        if name == b"content-length" and value.isdigit():
            # int() refuses much longer numbers, and none of them is within the limit.
            return int(value) if len(value) < 20 else 10**20
    return 0
