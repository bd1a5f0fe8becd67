"""Iterators over messages: of a group, of a stream, or of everything else."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self

from channels_workers.client.calls import Answer, Call
from channels_workers.client.exceptions import ClientError, ReadsTooSlowly, Refused, ReplyLost
from channels_workers.client.frames import Message
from channels_workers.client.options import Options
from channels_workers.client.queue import Queue
from channels_workers.logs import fields, shown

logger = logging.getLogger(__name__)

#: What a group calls after messages were missed.
OnGap = Callable[["GroupMessages"], Awaitable[None] | None]


class Messages:
    """An asynchronous iterator over :class:`Message` objects, which come in order.

    It ends when the client is closed. After a final close code it raises :class:`Closed`. If it is
    full for `stall_timeout` seconds, it ends with :class:`ReadsTooSlowly`.
    """

    def __init__(self, what: str, options: Options, stall_timeout: float) -> None:
        self.what = what
        self.is_read = False
        self._limits = options["queue_size"], options["queue_bytes"]
        self._stall_timeout = stall_timeout
        self._queue: Queue[Message | None] = Queue(*self._limits)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        self._begin()
        while (message := await self._queue.get()) is None:
            await self._gap()
        return message

    @property
    def is_full(self) -> bool:
        """Whether the next message must wait."""
        return self._queue.is_full

    async def put(self, message: Message | None, cost: int) -> None:
        """Append a message, or None for a gap; end if the reader does not keep up."""
        if not await self._queue.put(message, cost, self._stall_timeout):
            text = (
                f"{self.what} were not read for {self._stall_timeout:g} s while "
                f"{len(self._queue)} of them waited, so they end. Iterate faster, or raise "
                "queue_size."
            )
            logger.warning("%s", text, extra=fields("client_reads_slowly"))
            self._give_up(ReadsTooSlowly(text))

    def end(self, error: Exception | None = None) -> None:
        """Let the iteration end, after the messages that wait."""
        self._queue.end(error)

    def reopen(self) -> None:
        """Begin anew after an end."""
        if self._queue.has_ended:
            self._queue = Queue(*self._limits)

    def _begin(self) -> None:
        self.is_read = True

    def _give_up(self, error: ClientError) -> None:
        self.end(error)

    async def _gap(self) -> None:
        """Handle a gap, at its place among the messages."""


class Membership(Protocol):
    """What a group asks of its client."""

    def join_group(self, group: GroupMessages) -> None:
        """Join, now and with each connection."""

    async def note_joined(self, group: GroupMessages) -> None:
        """Take note that the name of *group* in its messages is known."""

    def leave_group(self, group: GroupMessages, error: Exception | None = None) -> None:
        """Leave, and let the iteration end, with *error*."""


class GroupMessages(Messages):
    """The messages of the group *name*: an asynchronous iterator, and a context manager.

    The client joins at the first iteration, or at ``async with``, which waits for the answer and
    leaves at the end. It joins again with each connection, from the last position on.

    *on_gap* is a function or coroutine function. It is called with this object at the place of
    missing messages, between two others: fetch the present state there.
    """

    def __init__(
        self,
        name: str,
        membership: Membership,
        options: Options,
        stall_timeout: float,
        since: str | None,
        on_gap: OnGap | None,
    ) -> None:
        super().__init__(f"The messages of the group {shown(name)}", options, stall_timeout)
        self.name = name
        #: The position after the last message that was read; None without a history.
        self.at = since
        #: The name of the group in its messages.
        self.alias = name
        self._membership, self._on_gap = membership, on_gap
        self._last = since  # position of the last message that came
        self._since = since  # position that the present join names
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._was_joined = self._is_leaving = False
        self._call: Call | None = None

    async def __aenter__(self) -> Self:
        self._begin()
        await asyncio.shield(self._joined)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    async def __anext__(self) -> Message:
        message = await super().__anext__()
        self.at = message.at or self.at
        return message

    def leave(self) -> None:
        """Leave the group. The iteration ends."""
        self._membership.leave_group(self)

    def end(self, error: Exception | None = None) -> None:
        """Let the iteration end, after the messages that wait."""
        super().end(error)
        self._call = None
        if not self._joined.done():
            self._joined.set_exception(error or ReplyLost("The group was left."))
            self._joined.exception()  # perhaps nobody waits

    # What its client calls

    @property
    def since(self) -> str | None:
        """The position after which messages are missing."""
        return self._last

    @property
    def call(self) -> Call | None:
        """The join whose answer is to come."""
        return self._call

    @property
    def is_asked(self) -> bool:
        """Whether the answer to a join is to come."""
        return self._call is not None

    def begin_join(self, join: Call, leave: Call | None) -> None:
        """Note that *join* goes out now, and before that perhaps *leave*.

        The server repeats no messages to a member, so after a gap it leaves first. What comes until
        then would come again.
        """
        self._call, self._since, self._is_leaving = join, self._last, leave is not None
        join.on_answer = functools.partial(self._take_answer, join)
        if leave is not None:
            leave.on_answer = functools.partial(self._end_leaving, join)

    async def take(self, message: Message, cost: int) -> None:
        """Take a message of the group."""
        if self._is_leaving or not _is_after(message.at, self._last):
            return
        if self._is_other_epoch(message.at) and not self.is_asked:
            await self.put(None, 0)
        self._last = message.at or self._last
        await self.put(message, cost)

    def _begin(self) -> None:
        if not self.is_read:
            self.is_read = True
            self._membership.join_group(self)

    async def _gap(self) -> None:
        if self._on_gap is None:
            text = "Messages of the group %s are missing. Pass on_gap to learn of it."
            logger.warning(text, shown(self.name), extra=fields("client_gap"))
        elif inspect.isawaitable(found := self._on_gap(self)):
            await found

    def _is_other_epoch(self, at: str | None) -> bool:
        """Say whether the history has begun anew before the position *at*."""
        return bool(at and self._last) and _parts(at)[0] != _parts(self._last)[0]

    def _give_up(self, error: ClientError) -> None:
        self._membership.leave_group(self, error)

    async def _take_answer(self, join: Call, answer: Answer | Refused) -> None:
        """Take the answer to a join, behind the messages that it replays."""
        if self._call is not join:
            return
        if isinstance(answer, Refused):
            self._call = None
            self._membership.leave_group(self, answer)
            return
        alias, at = answer.get("name"), answer.get("at")
        self.alias = alias if isinstance(alias, str) else self.name
        # What came before the answer is before its position.
        await self._membership.note_joined(self)
        self._call = None
        # Without a position to go on from, what was sent since the last connection is gone.
        is_gap = answer.get("gap") is True or (self._was_joined and self._since is None)
        self._was_joined = True
        if self._last == self._since and (is_gap or isinstance(at, str)):
            self._last = at if isinstance(at, str) else None
            self.at = self.at or self._last
        if not self._joined.done():
            self._joined.set_result(None)
        if is_gap:
            await self.put(None, 0)

    async def _end_leaving(self, join: Call, _: Answer | Refused) -> None:
        if self._call is join:
            self._is_leaving = False


def _parts(at: str | None) -> tuple[str, int]:
    epoch, _, offset = (at or "").partition(":")
    return epoch, int(offset) if offset.isdecimal() and len(offset) < 16 else 0


def _is_after(at: str | None, last: str | None) -> bool:
    """Say whether the position *at* is not among those up to *last*."""
    (epoch, offset), (last_epoch, last_offset) = _parts(at), _parts(last)
    return not at or not last or epoch != last_epoch or offset > last_offset
