"""Messages that the server confirms: the outbox, who waits for it, and when to try again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from channels_workers.client.delays import delay_after, delay_of
from channels_workers.client.exceptions import LATER, Closed, OutboxFull, Refused
from channels_workers.client.outbox import Entry, Outbox

#: The delays after ``later`` without a time (s): the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

#: The shortest delay after ``later`` (s), whatever the server says.
SHORTEST_PAUSE = 0.05


class Deliveries:
    """The entries of *outbox*, at most *size* of them, of which *window* are under way at a time.

    *on_change* is called when there may be something to send.
    """

    def __init__(
        self, outbox: Outbox[str], size: int, window: int, on_change: Callable[[], None]
    ) -> None:
        self.outbox, self._size, self._window = outbox, size, window
        self._on_change = on_change
        self._waiters: dict[str, asyncio.Future[None]] = {}
        self._numbers: dict[str, int] = {}  # of the frames, by nonce
        self._freed = asyncio.Event()
        self._pauses = 0
        self._pause: asyncio.TimerHandle | None = None

    # What callers do

    def add(self, text: str, nonce: str) -> asyncio.Future[None]:
        """Append a frame; return the future of its confirmation. Raises :class:`OutboxFull`."""
        if len(self.outbox) >= self._size:
            raise OutboxFull(
                f"{len(self.outbox)} messages wait for their confirmation (outbox_size). "
                "Await send(), which waits for room."
            )
        self.outbox.add(text, nonce)
        waiter = self._waiters[nonce] = asyncio.get_running_loop().create_future()
        self._on_change()
        return waiter

    async def room(self) -> None:
        """Wait until there is room for another entry."""
        await self._until(lambda: len(self.outbox) < self._size)

    async def drained(self) -> None:
        """Wait until the outbox is empty."""
        await self._until(lambda: not self.outbox)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._freed.clear()
            await self._freed.wait()

    # What the connection does

    def next_unsent(self) -> Entry[str] | None:
        """Return the entry to be sent now."""
        if self.outbox.n_under_way >= self._window:
            return None
        return self.outbox.next_unsent()

    def note_number(self, nonce: str, number: int) -> None:
        """Note the number of the frame with *nonce*."""
        if nonce in self.outbox:
            self._numbers[nonce] = number

    def begin_anew(self) -> None:
        """Begin with a connection on which nothing was sent."""
        self.outbox.rewind()
        self._numbers.clear()

    def confirm(self, nonce: object) -> int:
        """Take an ``ack``; return the number of its frame, 0 if it is unknown."""
        self._pauses = 0
        return self._remove(nonce, None)

    def refuse(self, nonce: object, error: Refused) -> bool:
        """Take an error. Return whether it is about an entry."""
        if not isinstance(nonce, str) or nonce not in self.outbox:
            return False
        if error.code != LATER:
            self._remove(nonce, error)
            return True
        self.outbox.hold_back(nonce, error.message)
        self._numbers.pop(nonce, None)
        told = None if error.after is None else delay_of(str(error.after))
        pause = delay_after(self._pauses, FIRST_PAUSE, LONGEST_PAUSE) if told is None else told
        self._pauses += 1
        if self._pause is not None:
            self._pause.cancel()
        self._pause = asyncio.get_running_loop().call_later(
            max(pause, SHORTEST_PAUSE), self._release
        )
        return True

    def end(self, error: Closed) -> int:
        """Let all callers fail. Entries stay in the outbox. Return how many there are."""
        self._numbers.clear()
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # perhaps nobody waits: the client logs how many there are
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
            self.outbox.release()
        return len(self.outbox)

    def _release(self) -> None:
        self._pause = None
        self.outbox.release()
        self._on_change()

    def _remove(self, nonce: object, error: Refused | None) -> int:
        entry = self.outbox.remove(nonce)
        if entry is None:
            return 0
        waiter = self._waiters.pop(entry.nonce, None)
        if waiter is not None and not waiter.done():
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        self._freed.set()
        self._on_change()
        return self._numbers.pop(entry.nonce, 0)
