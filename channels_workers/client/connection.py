"""A WebSocket that reconnects by itself: text and bytes, with any server."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, Unpack

from channels_workers.client.exceptions import Closed
from channels_workers.client.link import Link
from channels_workers.client.options import Options, Source
from channels_workers.client.queue import Queue
from channels_workers.client.resumption import Data
from channels_workers.client.state import State

#: The close code of the RFC for a purpose that is fulfilled.
NORMAL = 1000


class Reconnecting:
    """What :class:`Connection` and :class:`~channels_workers.client.Client` have in common."""

    _link: Link

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def state(self) -> State:
        """The present state."""
        return self._link.state

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._link.is_open

    def open(self) -> None:
        """Begin to connect in the background, now, unless it is connected or connecting.

        ``async with`` calls it. Call it yourself to skip the delay of the state ``lost``.
        """
        self._link.open()

    async def opened(self) -> None:
        """Wait until there is a connection. Raises :class:`Closed` if it does not come back."""
        await self._link.opened()

    def states(self) -> AsyncIterator[State]:
        """Iterate over the states, from the present one until ``closed``."""
        return self._link.states()

    def restart(self) -> None:
        """Replace a connection that seems dead."""
        self._link.restart()

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close for good, or until :meth:`open`. ``async with`` calls it.

        *code* is 1000, 1001 or from 3000 to 4999. All iterators end.
        """
        await self._link.close(code, reason)


class Connection(Reconnecting):
    """A WebSocket to *url* that reconnects by itself, with any server.

    *url* is a ``ws:`` or ``wss:`` address, or a function or coroutine function that returns one for
    each attempt. *options* are those of the reference::

        async with Connection("wss://example.com/board/") as connection:
            async for data in connection:
                ...

    The iteration goes on over lost connections. It ends with :meth:`close`, and raises
    :class:`Closed` after a final close code. While nobody iterates, at most ``queue_size`` frames
    wait. Then it reads no more, and the server closes the socket in the end.
    """

    def __init__(self, url: Source[str], **options: Unpack[Options]) -> None:
        self._link = Link(url, options, self._take, self._note)
        options = self._link.options
        self._queue_limits = options["queue_size"], options["queue_bytes"]
        self._queue: Queue[Data] = Queue(*self._queue_limits)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Data:
        return await self._queue.get()

    async def send(self, data: Data) -> None:
        """Send text or bytes. Wait while the socket takes no more.

        Raises :class:`NotConnected`, and then nothing was sent. A frame that was sent may be lost
        with its socket.
        """
        await self._link.send(data)

    def open(self) -> None:
        """Begin to connect in the background, now, unless it is connected or connecting.

        ``async with`` calls it. Call it yourself to skip the delay of the state ``lost``.
        """
        if self._queue.has_ended:
            self._queue = Queue(*self._queue_limits)
        super().open()

    async def _take(self, data: Data) -> None:
        await self._queue.put(data, sys.getsizeof(data))

    def _note(self, state: State) -> None:
        if state.name == "closed":
            is_wanted = state.code == NORMAL and state.error is None
            self._queue.end(None if is_wanted else Closed(state.code, state.reason))
