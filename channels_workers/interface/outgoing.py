"""What goes out to one client: in order, holding up nobody else, and bounded.

Servers differ. uvicorn's `send` waits while a client does not read, and only then; Daphne's takes
everything, and what a client does not read piles up in the transport behind it. So neither needs a
task for each socket that a frame is broadcast to.
"""

from __future__ import annotations

import asyncio
import logging
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from channels_workers.conf import Configuration
from channels_workers.interface.protocol import Event
from channels_workers.interface.servers import daphne, uvicorn
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

SendEvent = Callable[[Event], Awaitable[None]]

#: What a client may have left unread without being counted among those that read slowly (bytes).
COUNTED = 64 * 1024


class Unread:
    """What the clients of a server have not read, all together: who has most of it is cut.

    Sizes are those of the last look; they are looked at anew before anybody is cut.
    """

    def __init__(self, episodes: Episodes | None = None) -> None:
        self.episodes = Episodes() if episodes is None else episodes
        self._sizes: dict[Outgoing, int] = {}
        self._total = 0

    def note(self, outgoing: Outgoing, size: int, limit: int) -> None:
        """Note *size* of a client; cut lines if all have more than *limit* now."""
        self._set(outgoing, size)
        if self._total > limit:
            for each in list(self._sizes):
                self._set(each, each.unsent())
            if self._total > limit:
                self._cut_down_to(limit * 3 // 4)

    def _set(self, outgoing: Outgoing, size: int) -> None:
        self._total += size - self._sizes.pop(outgoing, 0)
        if size > COUNTED:
            self._sizes[outgoing] = size
        else:
            self._total -= size

    def _cut_down_to(self, aim: int) -> None:
        for each in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True):
            if self._total <= aim:
                return
            self._set(each, 0)
            each.overflow()

    def forget(self, outgoing: Outgoing) -> None:
        """Note that a client has gone."""
        self._total -= self._sizes.pop(outgoing, 0)


def outgoing_for(
    send: SendEvent,
    limits: Configuration,
    overflow: Callable[[], None],
    unread: Unread | None = None,
) -> Outgoing:
    """Return what suits the server that *send* is of; *overflow* is called at a limit."""
    if daphne.is_of_daphne(send):
        kind: type[Outgoing] = DaphneOutgoing
    else:
        kind = UvicornOutgoing if uvicorn.is_of_uvicorn(send) else Outgoing
    return kind(send, limits, overflow, Unread() if unread is None else unread)


class Outgoing:
    """The events on their way to one client, by a task that waits for its server's `send`."""

    def __init__(
        self,
        send: SendEvent,
        limits: Configuration,
        overflow: Callable[[], None],
        unread: Unread,
    ) -> None:
        self.send = send
        self.limits = limits
        self.overflow = overflow
        self.unread = unread
        self.writer: asyncio.Task[None] | None = None
        self._events: deque[Event] = deque()
        self._size = 0  # bytes, or characters, of the frames that wait

    def put(self, event: Event) -> None:
        """Send *event* after those that wait."""
        self._events.append(event)
        self._size += size_of(event)
        if self.writer is None:
            self._start()
        elif len(self._events) > self.limits.REPLIES_WAITING:
            self.overflow()
        else:
            self.look()

    def look(self) -> None:
        """See how much the client has not read: of what was sent, and of its server's pongs."""
        size = self.unsent()
        if size > self.limits.REPLY_BYTES_WAITING:
            self.overflow()
        elif size > COUNTED:
            self.unread.note(self, size, self.limits.ALL_REPLY_BYTES_WAITING)

    def unsent(self) -> int:
        """Return how many bytes wait for the client, as far as is known."""
        return self._size

    def _start(self, begun: Awaitable[None] | None = None) -> None:
        self.writer = asyncio.get_running_loop().create_task(self._write(begun))

    def _note_failure(self, error: Exception) -> None:
        extra = fields("send_failed")
        text = "Sending failed: %s"
        self.unread.episodes.log(logger, logging.INFO, text, error, extra=extra)

    def clear(self) -> None:
        """Send nothing of what waits."""
        self._events.clear()
        self._size = 0
        self.unread.forget(self)

    def cut(self) -> None:
        """Drop the line, with all that waits for the client, where the server lets us."""
        self.clear()
        if self.writer is not None:
            self.writer.cancel()
        # uvicorn's `send` is a method of the protocol, which would wait until all is read.
        transport = uvicorn.transport_of(self.send)
        if transport is not None:
            transport.abort()

    async def _write(self, begun: Awaitable[None] | None) -> None:
        try:
            if begun is not None:
                await begun
            while self._events:
                event = self._events.popleft()
                self._size -= size_of(event)
                await self.send(event)
        except Exception as error:  # noqa: BLE001  (each server has errors of its own)
            self._note_failure(error)
            self.clear()
        finally:
            self.writer = None


class UvicornOutgoing(Outgoing):
    """The events on their way to one client of uvicorn, by a task only while it does not read."""

    def unsent(self) -> int:
        """Return how many bytes wait for the client, in uvicorn's transport too."""
        return self._size + uvicorn.unsent_bytes(self.send)

    def put(self, event: Event) -> None:
        """Send *event* at once if nothing waits before it.

        A close has a task of its own: it may take its time, and what it waits for, such as a
        time-out, belongs to the task in which it began.
        """
        if event["type"] == "websocket.close":
            uvicorn.abort_later(self.send)
        if self.writer is not None or event["type"] == "websocket.close":
            super().put(event)
            return
        sending = self.send(event).__await__()
        try:
            waits_for = next(sending)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001  (the server's own; it ends that socket)
            self._note_failure(error)
            return
        self._start(go_on(sending, waits_for))


@types.coroutine
def go_on(sending: Generator[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Await the rest of *sending*, which was begun and *waits_for* something."""
    try:
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001  (it is for the one who waits)
                waits_for = sending.throw(error)
            else:
                waits_for = sending.send(value)
    except StopIteration:
        return


class Turn:
    """Which transports have written in this turn of the event loop.

    What they get after that goes out together, in the next turn of Twisted's reactor.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._written: set[Any] = set()

    def is_first_of(self, transport: Any) -> bool:
        """Say whether *transport* has written nothing in this turn; now it will."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._written = loop, set()
        if transport in self._written:
            return False
        if not self._written:
            loop.call_soon(self._written.clear)
        self._written.add(transport)
        return True


turn = Turn()


class DaphneOutgoing(Outgoing):
    """The events on their way to one client of Daphne, whose `send` never waits."""

    def put(self, event: Event) -> None:
        """Send *event*; a broadcast needs no task for each socket."""
        transport = daphne.transport_behind(self.send)
        is_behind = transport is not None and daphne.unsent_bytes(transport) > 0
        if not self._goes_round(event):
            self._drive(self.send(event))
        if transport is None:
            return
        if not is_behind and turn.is_first_of(transport):
            daphne.write_now(transport)
        if daphne.unsent_bytes(transport):
            self.look()

    def _goes_round(self, event: Event) -> bool:
        """Do what Daphne's own `send` does not: reasons of a close, and empty frames."""
        if event["type"] == "websocket.close":
            return daphne.close_open(self.send, event)
        if event["type"] == "websocket.send" and not size_of(event):
            return daphne.send_empty(self.send, is_binary="bytes" in event)
        return False

    def _drive(self, sending: Awaitable[None]) -> None:
        """Run *sending*, which never waits, to its end."""
        try:
            next(sending.__await__())
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001  (the server's own; it ends that socket)
            self._note_failure(error)
            return
        raise RuntimeError("Daphne's send() waited, which it never did; please report this.")

    def unsent(self) -> int:
        """Return how many bytes Twisted keeps for the client."""
        return daphne.unsent_bytes(daphne.transport_behind(self.send))

    def cut(self) -> None:
        """Drop the line, with all that waits for the client behind it."""
        self.clear()
        transport = daphne.transport_behind(self.send)
        if transport is not None:
            transport.abortConnection()


def size_of(event: Event) -> int:
    """Return the length of an event's frame."""
    return len(event.get("text") or event.get("bytes") or b"")
