"""Frames for one client: in order, within limits, and without delay for other clients.

Servers differ. uvicorn's `send` waits while a client does not read, and only then. Daphne's takes
everything, and unread frames pile up in the transport behind it. So under both a broadcast needs no
task for each socket. Under other servers, and where these lack the parts that this needs, each
socket has one.
"""

from __future__ import annotations

import asyncio
import logging
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from channels_workers.conf import Configuration
from channels_workers.interface.actions import ClientAction, CloseSocket, SendFrame
from channels_workers.interface.servers import parts, virtual
from channels_workers.interface.servers.daphne import autobahn, twisted
from channels_workers.interface.servers.daphne.server import (
    is_of_daphne,
    protocol_behind,
    transport_behind,
)
from channels_workers.interface.servers.uvicorn import server as uvicorn
from channels_workers.interface.traffic import Traffic
from channels_workers.interface.types import Send
from channels_workers.log_limits import Episodes
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: How much a client may have left unread before it counts as one that reads slowly (bytes).
COUNTED = 64 * 1024

MISSING = (
    "This %s has no %s. Frames go to its clients by a task for each socket, which is slower. Under "
    "Daphne the reason of a close and empty frames are lost, and only the transport bounds what a "
    "client does not read. Use a version that channels_workers was tested with"
)


class Unread:
    """What the clients of a server have not read, all together: those with most of it are cut.

    Sizes are those of the last look; a new look precedes each cut.
    """

    def __init__(self, episodes: Episodes | None = None) -> None:
        self.episodes = Episodes() if episodes is None else episodes
        self._sizes: dict[Outgoing, int] = {}
        self._total = 0

    @property
    def total(self) -> int:
        """How many bytes it was at the last look, of clients with more than :data:`COUNTED`."""
        return self._total

    def note(self, outgoing: Outgoing, size: int, limit: int) -> None:
        """Note *size* of a client; cut those with most if all have more than *limit* now."""
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
    send: Send,
    limits: Configuration,
    overflow: Callable[[], None],
    unread: Unread | None = None,
    traffic: Traffic | None = None,
) -> Outgoing:
    """Return what suits the server that *send* is of; *overflow* is called at a limit."""
    kind = kind_for(send)
    unread = Unread() if unread is None else unread
    return kind(send, limits, overflow, unread, Traffic() if traffic is None else traffic)


def kind_for(send: Send) -> type[Outgoing]:
    """Return the fastest way that the parts of its server allow."""
    if is_of_daphne(send):
        missing = autobahn.missing_send_parts(protocol_behind(send))
        missing += twisted.missing_tcp_parts(transport_behind(send))
        if not missing:
            return DaphneOutgoing
        _report("Daphne, or its autobahn or Twisted,", missing)
    elif uvicorn.is_of_uvicorn(send):
        if not (missing := uvicorn.missing_send_parts(send)):
            return UvicornOutgoing
        _report("uvicorn", missing)
    elif virtual.end_behind(send) is not None:
        return VirtualOutgoing
    return Outgoing


def _report(server: str, missing: list[str]) -> None:
    parts.report(MISSING, server, ", ".join(missing), extra=fields("feature_missing"))


class Outgoing:
    """The events on their way to one client, by a task that waits for its server's `send`."""

    __slots__ = ("_size", "_waiting", "limits", "overflow", "send", "traffic", "unread", "writer")

    def __init__(
        self,
        send: Send,
        limits: Configuration,
        overflow: Callable[[], None],
        unread: Unread,
        traffic: Traffic,
    ) -> None:
        self.send = send
        self.limits = limits
        self.overflow = overflow
        self.unread = unread
        self.traffic = traffic
        self.writer: asyncio.Task[None] | None = None
        #: What has to wait and, with metrics, when it was committed; made when something has to.
        self._waiting: deque[tuple[ClientAction, float | None]] | None = None
        self._size = 0  # bytes of the frames that wait

    def put(self, action: ClientAction) -> None:
        """Send the event of *action* after those that wait."""
        if self._waiting is None:
            self._waiting = deque()
        committed = None if self.traffic.times is None else self.traffic.committed_at()
        self._waiting.append((action, committed))
        self._size += action.length
        if self.writer is None:
            self.writer = asyncio.get_running_loop().create_task(self._write())
        elif len(self._waiting) > self.limits.REPLIES_WAITING:
            self.overflow()
        else:
            self.look()

    def look(self) -> None:
        """See how much the client has not read: of our frames, and of its server's pongs."""
        size = self.unsent()
        if size > self.limits.REPLY_BYTES_WAITING:
            self.overflow()
        elif size > COUNTED:
            self.unread.note(self, size, self.limits.ALL_REPLY_BYTES_WAITING)

    def unsent(self) -> int:
        """Return how many bytes wait for the client, as far as is known."""
        return self._size

    def _begin(self, action: ClientAction) -> None:
        """Send the event of *action* at once, and only what is left of that in a task."""
        sending = self.send(action.event).__await__()
        try:
            waits_for = next(sending)
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001  (the server's own; it ends that socket)
            self._note_failure(error)
            return
        else:
            rest = self._write(go_on(sending, waits_for))
            self.writer = asyncio.get_running_loop().create_task(rest)
        if isinstance(action, SendFrame):
            traffic = self.traffic
            traffic.frames_sent += 1
            traffic.sent_bytes += action.length
            if traffic.times is not None:
                traffic.note_sent(traffic.committed_at())

    def _note_failure(self, error: Exception) -> None:
        extra = fields("send_failed")
        text = "Sending failed: %s"
        self.unread.episodes.log(logger, logging.INFO, text, described(error), extra=extra)

    def clear(self) -> None:
        """Send nothing of what waits."""
        self._waiting = None
        self._size = 0
        self.unread.forget(self)

    def cut(self) -> None:
        """Drop the connection, with all that waits for the client, where the server allows it."""
        self.clear()
        if self.writer is not None:
            self.writer.cancel()

    async def _write(self, begun: Awaitable[None] | None = None) -> None:
        traffic = self.traffic
        try:
            if begun is not None:
                await begun
            while self._waiting:
                action, committed = self._waiting.popleft()
                self._size -= action.length
                await self.send(action.event)
                if isinstance(action, SendFrame):
                    traffic.frames_sent += 1
                    traffic.sent_bytes += action.length
                    if traffic.times is not None:
                        traffic.note_sent(committed)
        except Exception as error:  # noqa: BLE001  (each server has errors of its own)
            self._note_failure(error)
            self.clear()
        finally:
            self.writer = None


class UvicornOutgoing(Outgoing):
    """The events on their way to one client of uvicorn, by a task only while it does not read."""

    __slots__ = ()

    def unsent(self) -> int:
        """Return how many bytes wait for the client, in uvicorn's transport too."""
        return self._size + uvicorn.unsent_bytes(self.send)

    def put(self, action: ClientAction) -> None:
        """Send the event of *action* at once if nothing waits before it.

        A close has a task of its own. It may take its time, and a time-out in it belongs to the
        task in which it began.
        """
        if isinstance(action, CloseSocket):
            uvicorn.abort_later(self.send)
            super().put(action)
        elif self.writer is not None:
            super().put(action)
        else:
            self._begin(action)

    def cut(self) -> None:
        """Drop the connection; uvicorn's transport would wait until all is read."""
        super().cut()
        transport = uvicorn.transport_of(self.send)
        if transport is not None:
            transport.abort()


class VirtualOutgoing(Outgoing):
    """The events on their way to the client of a virtual socket, whose `send` waits for it."""

    __slots__ = ()

    def put(self, action: ClientAction) -> None:
        """Send the event of *action* at once if nothing waits before it."""
        if self.writer is not None:
            super().put(action)
        else:
            self._begin(action)

    def cut(self) -> None:
        """Drop the connection, with all that waits for the client."""
        super().cut()
        end = virtual.end_behind(self.send)
        if end is not None:
            end.cut()


@types.coroutine
def go_on(sending: Generator[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Await the rest of *sending*, which was begun and *waits_for* something."""
    try:
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001  (it is for the coroutine that waits)
                waits_for = sending.throw(error)
            else:
                waits_for = sending.send(value)
    except StopIteration:
        return


class Turn:
    """Which transports have written in this turn of the event loop.

    Later frames for them go out together, in the next turn of Twisted's reactor.
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

    __slots__ = ("_protocol",)

    def __init__(
        self,
        send: Send,
        limits: Configuration,
        overflow: Callable[[], None],
        unread: Unread,
        traffic: Traffic,
    ) -> None:
        super().__init__(send, limits, overflow, unread, traffic)
        self._protocol: Any = protocol_behind(send)

    def put(self, action: ClientAction) -> None:
        """Send the event of *action* at once: a broadcast needs no task for each socket."""
        if self.writer is not None:  # `send` waited, which it never did
            super().put(action)
            return
        transport = getattr(self._protocol, "transport", None)
        is_behind = transport is not None and twisted.unsent_bytes(transport) > 0
        if action.length or not self._goes_round(action):
            self._begin(action)
        if transport is None:
            return
        if not is_behind and turn.is_first_of(transport):
            unsent = twisted.write_now(transport)
        else:
            unsent = twisted.unsent_bytes(transport)
        if unsent:
            self.look()

    def _goes_round(self, action: ClientAction) -> bool:
        """Do what Daphne's own `send` does not: reasons of a close, and empty frames."""
        match action:
            case CloseSocket():
                return autobahn.close_open(self._protocol, action.event)
            case SendFrame(length=0):
                if autobahn.send_empty(self._protocol, is_binary="bytes" in action.event):
                    self.traffic.frames_sent += 1
                    self.traffic.note_sent(self.traffic.committed_at())
                    return True
        return False

    def unsent(self) -> int:
        """Return how many bytes Twisted keeps for the client, beside those that wait here."""
        return self._size + twisted.unsent_bytes(getattr(self._protocol, "transport", None))

    def cut(self) -> None:
        """Drop the connection, with all that waits for the client behind it."""
        super().cut()
        transport = getattr(self._protocol, "transport", None)
        if transport is not None:
            transport.abortConnection()
