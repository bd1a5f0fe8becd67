"""Frames for one client: in order, within limits, and without delay for other clients."""

from __future__ import annotations

import asyncio
import logging
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from channels_workers.conf import Configuration
from channels_workers.interface.actions import ClientAction, SendFrame
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.servers import virtual
from channels_workers.interface.traffic import Traffic
from channels_workers.interface.types import Send
from channels_workers.interface.unread import COUNTED, Unread
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)


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
        self._attach()

    def _attach(self) -> None:
        """Get hold of what a class needs of the server behind `send`."""

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

    def put_shared(self, shared: SharedFrame) -> None:
        """Send a frame that other members of a group get, too."""
        self.put(shared.frame)

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
            self._count(action.length)

    def _count(self, length: int) -> None:
        """Count a frame that the server has."""
        traffic = self.traffic
        traffic.frames_sent += 1
        traffic.sent_bytes += length
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
