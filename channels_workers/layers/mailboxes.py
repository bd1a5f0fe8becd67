"""The channels of Channels 4: mailboxes that coroutines read."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable

from channels_workers.concurrency.futures import call_in, settle
from channels_workers.layers.codec import Content
from channels_workers.logs import fields

logger = logging.getLogger(__name__)


class ChannelName(str):
    """The name of a mailbox; the mailbox ends when this object is garbage-collected.

    A class-based consumer holds it as ``channel_name``, and does not report its own end. The
    garbage collector calls *end* with the name, in any thread.
    """

    @classmethod
    def of(cls, channel: str, end: Callable[[str], object]) -> ChannelName:
        """Return the name for its user."""
        name = cls(channel)
        weakref.finalize(name, end, str(channel)).atexit = False
        return name


class Mailbox:
    """A receiver that keeps messages until a coroutine reads them.

    It keeps *capacity* messages at most. It drops and logs further ones, as the reader has stopped.
    Any event loop may read it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._messages: deque[Content] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._dropped = 0  # since it was full

    def deliver(self, content: Content, to_group: bool = False) -> None:
        """Keep a message; a 1.x message without a type gets ``websocket.send``."""
        with self._lock:
            if len(self._messages) >= self.capacity:
                self._dropped += 1
                if self._dropped == 1:
                    text = "A channel is not read: messages to it are dropped, as %d messages wait"
                    logger.warning(text, self.capacity, extra=fields("channel_full"))
                return
            self._messages.append({"type": "websocket.send", **content})
        self._wake_one()

    async def receive(self) -> Content | None:
        """Wait for the next message; None after :meth:`wake_all`. Cancelling it loses none."""
        with self._lock:
            if self._messages:
                return self._take()
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            self._stop_waiting(future)
            raise
        with self._lock:
            return self._take() if self._messages else None

    def _take(self) -> Content:
        message = self._messages.popleft()
        if self._dropped and len(self._messages) <= self.capacity // 2:  # or it might soon be full
            text = "A channel is read again: %d messages to it were dropped"
            logger.warning(text, self._dropped, extra=fields("channel_full"))
            self._dropped = 0
        return message

    def wake_all(self) -> None:
        """Wake all readers, so that they look again."""
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        for future in waiting:
            call_in(future.get_loop(), settle, future, None)

    def _stop_waiting(self, future: asyncio.Future[None]) -> None:
        with self._lock:
            if future in self._waiting:
                self._waiting.remove(future)
                return
        self._wake_one()  # it was woken for a message that another reader may take

    def _wake_one(self) -> None:
        while True:
            with self._lock:
                if not self._messages or not self._waiting:
                    return
                future = self._waiting.popleft()
            if call_in(future.get_loop(), settle, future, None):
                return
