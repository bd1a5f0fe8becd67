"""Frames that the server answers by id: requests, joins, leaves and pings; no I/O."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from channels_workers.client.exceptions import Refused, ReplyLost

Answer = Mapping[str, Any]


class Call:
    """A frame with an *id*, and the future of its answer.

    *repeat* says whether it is sent again if the answer is lost. One that *is_urgent* is sent
    before messages.
    """

    __slots__ = ("answer", "id", "is_urgent", "number", "on_answer", "repeat", "text")

    def __init__(self, call_id: int, text: str, repeat: bool, is_urgent: bool) -> None:
        self.id, self.text, self.repeat, self.is_urgent = call_id, text, repeat, is_urgent
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        #: Called with the answer, and awaited before the next frame is read.
        self.on_answer: Callable[[Answer | Refused], Awaitable[None]] | None = None
        #: Its number among the frames of the connection, if it is known.
        self.number = 0


class Calls:
    """The calls without an answer so far, in order."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self._unsent: dict[bool, dict[int, Call]] = {False: {}, True: {}}

    def __len__(self) -> int:
        return len(self._calls)

    def add(
        self, encode: Callable[[int], str], *, repeat: bool = False, is_urgent: bool = False
    ) -> Call:
        """Append a call; *encode* returns its text for an id."""
        call_id = next(self._ids)
        call = Call(call_id, encode(call_id), repeat, is_urgent)
        self._calls[call_id] = call
        self._unsent[is_urgent][call_id] = call
        return call

    def drop(self, call: Call) -> None:
        """Forget *call*: nobody waits for its answer."""
        self._take(call.id)
        call.answer.cancel()

    def next_unsent(self, is_urgent: bool) -> Call | None:
        """Return the first call that was not sent."""
        return next(iter(self._unsent[is_urgent].values()), None)

    def note_sent(self, call: Call) -> None:
        """Note that *call* is sent now."""
        self._unsent[call.is_urgent].pop(call.id, None)

    def note_unsent(self, call: Call) -> None:
        """Note that *call* could not be sent."""
        if call.id in self._calls:
            self._unsent[call.is_urgent][call.id] = call

    async def answered(self, call_id: Any, result: Answer | Refused) -> Call | None:
        """Take the answer to the call of that id; return it, None if nobody waits for it."""
        is_id = isinstance(call_id, int) and not isinstance(call_id, bool)
        call = self._take(call_id) if is_id else None
        if call is not None:
            _settle(call, result)
            if call.on_answer is not None:
                await call.on_answer(result)
        return call

    def sent(self) -> list[Call]:
        """Return the calls that were sent."""
        return [call for call in self._calls.values() if not self._is_unsent(call)]

    def lose(self) -> None:
        """Let the sent calls fail, or be sent again: their connection is gone."""
        for call in self.sent():
            if call.repeat:
                self._unsent[call.is_urgent][call.id] = call
            else:
                text = "The connection was lost before the reply came. The request may have run."
                self.fail(call, ReplyLost(text))

    def fail(self, call: Call, error: Exception) -> None:
        """Let one call fail."""
        self._take(call.id)
        _settle(call, error)

    def end(self, error: Exception) -> None:
        """Let all calls fail."""
        for call in [*self._calls.values()]:
            self.fail(call, error)

    def _is_unsent(self, call: Call) -> bool:
        return call.id in self._unsent[call.is_urgent]

    def _take(self, call_id: int) -> Call | None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            self._unsent[call.is_urgent].pop(call_id, None)
        return call


def _settle(call: Call, result: Answer | Exception) -> None:
    if call.answer.done():
        return
    if isinstance(result, Exception):
        call.answer.set_exception(result)
        call.answer.exception()  # it is no mistake if nobody waits any more
    else:
        call.answer.set_result(result)
