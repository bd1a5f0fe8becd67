"""HTTP responses on their way to clients: limits for each and for all, and a cut for slow readers.

A finished response is taken from Django at once, up to a limit. So Django and its connection to the
database are free again, however slowly the client reads. A streaming response waits for its client
after some hundred KiB.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from channels_workers.conf import configuration
from channels_workers.interface.outgoing import go_on
from channels_workers.interface.servers.daphne import answers as daphne
from channels_workers.interface.servers.uvicorn import answers as uvicorn
from channels_workers.interface.types import Event, Send
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: Bytes of a streaming response that may wait for the client, before the view waits.
STREAM_BYTES = 256 * 1024

#: Size of the pieces that a server gets (bytes).
PIECE = 64 * 1024

#: A client that reads fewer bytes within ``ANSWER_TIMEOUT`` counts as one that does not read.
LEAST_READ = 8 * 1024

#: How often the server checks whether clients read (s).
LOOK_INTERVAL = 1.0


class Slot(Protocol):
    """What a response occupies while it is made; see :class:`.slots.Place`."""

    def stream(self) -> None:
        """Let others in, as the response streams."""


class NoSlot:
    """The place of a response that workers make: none."""

    def __init__(self) -> None:
        self.lingers = False

    def stream(self) -> None:
        """Note that the response streams."""
        self.lingers = True


class ResponseTransport(Protocol):
    """The connection to a client, as far as its server program shows it."""

    @property
    def key(self) -> Any:
        """Return what identifies the connection: the same for all requests on it."""

    def unsent(self) -> int:
        """Return how many bytes the server holds that the client has not taken."""

    def unread(self) -> int:
        """Return how many bytes the client has not taken in all, those in the kernel included."""

    async def room(self) -> None:
        """Wait while the server holds many of them, if its `send` does not."""

    def cut(self) -> None:
        """Drop the connection with all that waits."""

    def release(self) -> None:
        """Do no more for the request."""


class UnknownTransport:
    """The connection of a server program that is not known here."""

    def __init__(self) -> None:
        self.key = self

    def unsent(self) -> int:
        """Return 0."""
        return 0

    def unread(self) -> int:
        """Return 0."""
        return 0

    async def room(self) -> None:
        """Leave it to the server's `send`."""

    def cut(self) -> None:
        """Leave it to the server."""

    def release(self) -> None:
        """Do nothing."""


def transport_behind(send: Send) -> ResponseTransport:
    """Return the connection that a server's *send* writes to."""
    known: ResponseTransport | None = daphne.response_transport(send)
    known = known or uvicorn.response_transport(send)
    return known or UnknownTransport()


class Reader:
    """The client at the end of one connection: what waits for it, and whether it reads."""

    def __init__(self, transport: ResponseTransport) -> None:
        self.transport = transport
        self.queued = 0  # bytes that wait here
        self.put = 0  # bytes that were ever put
        self.answers: set[Answer] = set()  # under way
        self.is_cut = False
        self.since = time.monotonic()  # when it was last seen to read
        self._read = 0

    @property
    def waiting(self) -> int:
        """Return how many bytes wait for it, here and in the server."""
        return self.queued + self.transport.unsent()

    def look(self, now: float) -> bool:
        """Check how far it has read; return whether anything is left for it."""
        waiting = self.waiting
        read = self.put - self.queued - self.transport.unread()
        if not waiting or read - self._read >= LEAST_READ:
            self._read, self.since = read, now
        return bool(waiting or self.answers)


class Answers:
    """All answers of one interface server."""

    def __init__(self) -> None:
        self.readers: dict[Any, Reader] = {}
        self.queued = 0  # bytes that wait here, for all clients
        self._unsent = 0  # bytes that wait in the server, when that was last looked at
        self._looking: asyncio.TimerHandle | None = None
        self._episodes = Episodes()

    def reader_behind(self, send: Send) -> Reader:
        """Return the client that *send* is for."""
        transport = transport_behind(send)
        reader = self.readers.get(transport.key)
        if reader is None:
            reader = self.readers[transport.key] = Reader(transport)
        reader.transport = transport
        if self._looking is None:
            self._look_later()
        return reader

    def count(self, size: int) -> None:
        """Count *size* more waiting bytes; cut the slowest readers if they are too many."""
        self.queued += size
        limit = configuration().ALL_ANSWER_BYTES_WAITING
        while self.queued + self._unsent > limit and self._cut_slowest(limit):
            pass

    def _cut_slowest(self, limit: int) -> bool:
        readers = [each for each in self.readers.values() if each.waiting and not each.is_cut]
        if not readers:
            return False
        slowest = min(readers, key=lambda each: each.since)
        self._unsent -= min(self._unsent, slowest.transport.unsent())
        self.end(slowest, f"answers of more than {limit} bytes wait, ALL_ANSWER_BYTES_WAITING")
        return True

    def end(self, reader: Reader, reason: str) -> None:
        """Cut the connection of *reader*, whose client reads too slowly, and log the *reason*."""
        self._episodes.log(
            logger,
            logging.WARNING,
            "Cutting the connection of the client that reads its answers slowest: %s",
            reason,
            extra=fields("answer_cut"),
        )
        self.cut(reader)

    def cut(self, reader: Reader) -> None:
        """Cut the connection of *reader*, with all that waits for it."""
        self.queued -= reader.queued
        reader.queued = 0
        reader.is_cut = True
        reader.transport.cut()
        for answer in reader.answers:
            answer.abandon()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(LOOK_INTERVAL, self._look)

    def _look(self) -> None:
        self._looking = None
        now, timeout = time.monotonic(), configuration().ANSWER_TIMEOUT
        self._unsent = 0
        for key, reader in list(self.readers.items()):
            if not reader.look(now):
                del self.readers[key]
            elif now - reader.since > timeout and not reader.is_cut and reader.waiting:
                self.end(reader, f"it has not read for {timeout:g} s, ANSWER_TIMEOUT")
            elif not reader.is_cut:
                self._unsent += reader.transport.unsent()
        self.count(0)
        if self.readers:
            self._look_later()


class Answer:
    """One answer: what the application gets as `send`, and what goes on to the server's *send*."""

    def __init__(self, send: Send, answers: Answers, place: Slot) -> None:
        self.status = 0  # once it has begun
        self._send = send
        self._answers = answers
        self._place = place
        self._reader = answers.reader_behind(send)
        self._reader.answers.add(self)
        self._transport = self._reader.transport
        self._size = 0  # bytes that wait here
        self._failure: Exception | None = None
        self._events: deque[Event] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._taken = asyncio.Event()  # some of what waited
        self._limit = configuration().ANSWER_BYTES_WAITING
        self._yielding: asyncio.Handle | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the connection was cut."""
        return self._reader.is_cut

    @property
    def waiting(self) -> int:
        """How many bytes wait for the client, here, in front of `send` and in the server."""
        return self._reader.waiting

    def hold(self, size: int) -> None:
        """Count *size* bytes that wait in front of `send`; this may cut slow readers."""
        if not self.is_cut:
            self._reader.put += size
            self._reader.queued += size
            self._answers.count(size)

    def let_go(self, size: int) -> None:
        """Count *size* of them no more."""
        if not self.is_cut:
            self._reader.put -= size
            self._reader.queued -= size
            self._answers.queued -= size

    def cut(self) -> None:
        """Cut the connection, with all that waits for the client."""
        self._answers.cut(self._reader)

    def overflow(self, reason: str) -> None:
        """Cut it because the client reads too slowly."""
        self._answers.end(self._reader, reason)

    async def send(self, event: Event) -> None:
        """Take *event*; wait only if too much waits for the client."""
        if self._yielding is not None:
            self._yielding.cancel()
            self._yielding = None
        if self._failure is not None:
            raise self._failure
        if self._reader.is_cut:
            return
        self._put(event)
        if self._size > self._limit:
            self._place.stream()
        while self._size > self._limit and self._writer is not None:
            self._taken.clear()
            await self._taken.wait()
        if event.get("more_body"):
            # A view that has made its answer sends the next part before anything else runs.
            self._yielding = asyncio.get_running_loop().call_soon(self._stream)

    def _stream(self) -> None:
        self._yielding = None
        self._limit = min(self._limit, STREAM_BYTES)
        self._place.stream()

    def _put(self, event: Event) -> None:
        size = len(event.get("body") or b"")
        self.status = event.get("status", self.status)
        self._reader.put += size
        if self._writer is None and size <= PIECE:
            writing = self._write(event).__await__()
            try:
                waits_for = next(writing)
            except StopIteration:
                return
            self._keep(size)
            begun = go_on(writing, waits_for)
            self._writer = asyncio.get_running_loop().create_task(self._run(begun, size))
            return
        self._events.append(event)
        self._keep(size)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._run())

    def _keep(self, size: int) -> None:
        self._size += size
        self._reader.queued += size
        self._answers.count(size)

    def _drop(self, size: int) -> None:
        self._size -= size
        if not self._reader.is_cut:
            self._reader.queued -= size
            self._answers.queued -= size
        self._taken.set()

    async def _write(self, event: Event) -> None:
        await self._transport.room()
        if event["type"] == "http.response.body" and not event.get("more_body"):
            self._transport.release()
        await self._send(event)

    async def _run(self, begun: Any = None, size: int = 0) -> None:
        """Write what waits, at the pace of the client."""
        try:
            if begun is not None:
                await begun
                self._drop(size)
            while self._events:
                for piece in pieces(self._events.popleft()):
                    await self._write(piece)
                    self._drop(len(piece.get("body") or b""))
        except Exception as error:  # noqa: BLE001  (the application gets it)
            self._failure = error
        finally:
            self._writer = None
            self._taken.set()

    async def finish(self) -> None:
        """Wait until the server has all of it."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        if self._failure is not None and not self._reader.is_cut:
            raise self._failure

    def abandon(self) -> None:
        """Write no more of it."""
        self._events.clear()
        if self._writer is not None:
            self._writer.cancel()
        self._taken.set()

    def close(self) -> None:
        """Drop what is left of it."""
        if self._yielding is not None:
            self._yielding.cancel()
        self.abandon()
        self._drop(self._size)
        self._reader.answers.discard(self)
        self._transport.release()


def pieces(event: Event) -> Iterator[Event]:
    """Yield *event*, in parts if its body is large."""
    body = event.get("body") or b""
    if len(body) <= PIECE:
        yield event
        return
    for at in range(0, len(body), PIECE):
        more_body = at + PIECE < len(body) or event.get("more_body", False)
        yield {"type": event["type"], "body": body[at : at + PIECE], "more_body": more_body}
