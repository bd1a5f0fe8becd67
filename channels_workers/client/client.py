"""A client of the protocol ``channels-workers.v1``: messages, requests, streams and groups."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import suppress
from typing import Any, Self, Unpack

from channels_workers.client.calls import Call, Calls
from channels_workers.client.connection import NORMAL, Reconnecting
from channels_workers.client.deliveries import Deliveries
from channels_workers.client.exceptions import Closed, NotConnected, Refused
from channels_workers.client.frames import (
    Message,
    check_name,
    decode,
    encode,
    message_of,
    refusal_of,
)
from channels_workers.client.link import Link
from channels_workers.client.mailboxes import Mailboxes
from channels_workers.client.options import Options, Source
from channels_workers.client.outbox import Outbox, new_nonce
from channels_workers.client.resumption import Data
from channels_workers.client.state import State
from channels_workers.client.streams import REPLY_TIMEOUT, StreamMessages
from channels_workers.client.subscriptions import GroupMessages, OnGap
from channels_workers.interface.close_codes import FRAME_TOO_LARGE
from channels_workers.logs import fields, shown

logger = logging.getLogger(__name__)


class Client(Reconnecting):
    """A client of consumers that speak the protocol ``channels-workers.v1``.

    *url* is an address, or a function or coroutine function that returns one for each attempt.
    *options* are those of the reference, and *resume* is true::

        async with Client("wss://example.com/board/", token=get_token) as client:
            await client.send({"text": "hello"})
            async for message in client.group("board-news"):
                ...

    *outbox_size* is how many messages may wait for their confirmation, and *window* how many of
    them are sent before the first is confirmed. With 1 their order is kept even if the server
    wants only some of them later.

    An iterator that is full makes the client read no more, for up to *stall_timeout* seconds. Then
    that iterator ends with :class:`ReadsTooSlowly`, and the others go on.

    With a *heartbeat* the client pings a worker so often (s). Without an answer within
    *heartbeat_timeout* it connects again.

    *outbox* has entries of a former client.
    """

    def __init__(
        self,
        url: Source[str],
        *,
        outbox: Outbox[str] | None = None,
        outbox_size: int = 1_000,
        window: int = 32,
        stall_timeout: float = 10.0,
        heartbeat: float | None = None,
        heartbeat_timeout: float = 10.0,
        **options: Unpack[Options],
    ) -> None:
        given: Options = {"resume": True, **options}
        self._link = Link(url, given, self._take, self._note_state, speaks_protocol=True)
        self._options = self._link.options
        self._stall_timeout = stall_timeout
        self._heartbeat = heartbeat, heartbeat_timeout
        self._wake = asyncio.Event()
        self._calls = Calls()
        entries = Outbox() if outbox is None else outbox
        self._deliveries = Deliveries(entries, outbox_size, window, self._wake.set)
        self._mailboxes = Mailboxes(self._options, stall_timeout, self._calls, self._wake.set)
        self._tasks: list[asyncio.Task[None]] = []
        self._connections = 0  # counts those that began anew
        self._logged: set[str] = set()

    # Its life

    def open(self) -> None:
        """Begin to connect in the background, now, unless it is connected or connecting.

        ``async with`` calls it. Call it yourself to skip the delay of the state ``lost``.
        """
        self._mailboxes.reopen()
        super().open()
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._send_all()))
            if self._heartbeat[0] is not None:
                self._tasks.append(asyncio.create_task(self._beat(*self._heartbeat)))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close for good, or until :meth:`open`. ``async with`` calls it.

        All iterators end, and what waits raises :class:`Closed`. It does not wait for
        confirmations: see :meth:`drained`.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await super().close(code, reason)

    # Messages

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        return await anext(self._mailboxes.inbox)

    async def send(self, payload: Any, *, stream: str | None = None, confirm: bool = True) -> None:
        """Send a message, and wait until the server has confirmed it.

        It is sent again over as many connections as that takes. Raises :class:`Refused` if the
        server does not want it, and :class:`Closed`. After a rate limit (``later``) it is sent
        again, and so are the messages behind it. If the caller is cancelled, the message still
        goes out.

        Without *confirm* it may be lost with its connection. Then it raises :class:`NotConnected`
        if there is none.
        """
        if not confirm:
            await self._link.send(self._encode(payload, stream, None))
            return
        await self._deliveries.room()
        await self.submit(payload, stream=stream)

    def submit(self, payload: Any, *, stream: str | None = None) -> asyncio.Future[None]:
        """Put a message into the outbox, and return the future of its confirmation.

        Messages are sent in this order. Raises :class:`OutboxFull`.
        """
        self._check_open()
        nonce = new_nonce()
        return self._deliveries.add(self._encode(payload, stream, nonce), nonce)

    async def drained(self) -> None:
        """Wait until the server has confirmed or refused all messages."""
        await self._deliveries.drained()

    @property
    def outbox(self) -> Outbox[str]:
        """The messages that are not confirmed, as texts of frames."""
        return self._deliveries.outbox

    async def request(
        self,
        payload: Any,
        *,
        stream: str | None = None,
        timeout: float | None = REPLY_TIMEOUT,  # noqa: ASYNC109  (part of the call)
        repeat: bool = False,
    ) -> Any:
        """Send a request, and return the payload of its reply.

        It waits for a connection. Raises :class:`Refused`, ``TimeoutError`` after *timeout*
        seconds, and :class:`ReplyLost` if the connection was lost in between. With *repeat* the
        request is then sent again instead, so it may run twice.
        """
        check_name(stream, "stream")
        self._check_open()
        call = self._calls.add(
            lambda call_id: encode("request", id=call_id, stream=stream, payload=payload),
            repeat=repeat,
        )
        return (await self._answer_to(call, timeout)).get("payload")

    async def ping(self, timeout: float | None = REPLY_TIMEOUT) -> float:  # noqa: ASYNC109
        """Ask a worker for an answer, and return how long that took (s). ``TimeoutError``."""
        self._check_open()
        began = time.monotonic()
        call = self._calls.add(lambda call_id: encode("ping", id=call_id))
        await self._answer_to(call, timeout)
        return time.monotonic() - began

    # Streams and groups

    def stream(self, name: str) -> StreamMessages:
        """Return the stream *name*: an iterator over its messages, which also sends."""
        check_name(name, "stream")
        return StreamMessages(self, name, self._mailboxes, self._options, self._stall_timeout)

    def group(
        self, name: str, *, since: str | None = None, on_gap: OnGap | None = None
    ) -> GroupMessages:
        """Return an iterator over the messages of the group *name*, which it joins.

        *since* is the position after which messages are wanted. Without it only new ones come.
        *on_gap* is called where messages are missing.
        """
        check_name(name, "group")
        return GroupMessages(
            name, self._mailboxes, self._options, self._stall_timeout, since, on_gap
        )

    # To the server

    def _encode(self, payload: Any, stream: str | None, nonce: str | None) -> str:
        check_name(stream, "stream")
        return encode("message", nonce=nonce, stream=stream, payload=payload)

    def _check_open(self) -> None:
        state = self.state
        if state.name == "closed":
            raise Closed(state.code, state.reason or "open() connects")

    async def _answer_to(self, call: Call, timeout: float | None) -> Any:  # noqa: ASYNC109
        self._wake.set()
        try:
            async with asyncio.timeout(timeout):
                return await call.answer
        finally:
            self._calls.drop(call)

    async def _send_all(self) -> None:
        """Send what there is to send, in order, whenever there is a connection."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with suppress(NotConnected):  # it goes on when there is one again
                while self.is_open and await self._send_next():
                    pass

    async def _send_next(self) -> bool:
        call = self._calls.next_unsent(is_urgent=True)
        if call is None and (entry := self._deliveries.next_unsent()) is not None:
            await self._send_entry(entry.nonce, entry.content)
            return True
        call = call or self._calls.next_unsent(is_urgent=False)
        if call is None:
            return False
        await self._send_call(call)
        return True

    async def _send_entry(self, nonce: str, text: str) -> None:
        connection, outbox = self._connections, self._deliveries.outbox
        outbox.note_sent(nonce)
        try:
            number = await self._link.send(text)
        except NotConnected:
            outbox.note_unsent(nonce)
            raise
        if connection == self._connections:
            self._deliveries.note_number(nonce, number)

    async def _send_call(self, call: Call) -> None:
        connection = self._connections
        self._calls.note_sent(call)
        try:
            number = await self._link.send(call.text)
        except NotConnected:
            self._calls.note_unsent(call)
            raise
        if connection == self._connections:
            call.number = number

    async def _beat(self, interval: float | None, timeout: float) -> None:  # noqa: ASYNC109
        while interval is not None:
            await asyncio.sleep(interval)
            if not self.is_open:
                continue
            try:
                await self.ping(timeout)
            except TimeoutError:
                text = "No worker has answered a ping within %g s. Connecting again."
                logger.warning(text, timeout, extra=fields("client_unanswered"))
                self.restart()
            except Exception as error:  # noqa: BLE001  (the connection was lost meanwhile)
                logger.debug("The ping failed: %s", error)

    # From the server

    def _note_state(self, state: State) -> None:
        if state.name == "open":
            if not state.is_resumed or state.has_gap:
                self._connections += 1
                self._calls.lose()
                self._deliveries.begin_anew()
                self._mailboxes.begin_anew(is_resumed=state.is_resumed)
            self._wake.set()
        elif state.name == "lost":
            if state.code == FRAME_TOO_LARGE:
                self._refuse_largest()
            if not self._link.resumption.is_possible:
                self._calls.lose()
        elif state.name == "closed":
            self._end(state)

    def _refuse_largest(self) -> None:
        """Refuse the frame for which the server has closed: it would close again."""
        error = Refused("invalid", "The frame is too large for the server.")
        entries, calls = self.outbox.under_way(), self._calls.sent()
        entry = max(entries, key=lambda each: len(each.content), default=None)
        call = max(calls, key=lambda each: len(each.text), default=None)
        if call is not None and (entry is None or len(call.text) > len(entry.content)):
            self._calls.fail(call, error)
        elif entry is not None:
            self._deliveries.refuse(entry.nonce, error)

    def _end(self, state: State) -> None:
        error = Closed(state.code, state.reason)
        error.__cause__ = state.error
        self._calls.end(error)
        if n_left := self._deliveries.end(error):
            text = "%d messages are not confirmed. They are in the outbox. Await drained() first."
            logger.warning(text, n_left, extra=fields("client_unconfirmed"))
        is_wanted = state.code == NORMAL and state.error is None
        self._mailboxes.end(None if is_wanted else error)

    async def _take(self, data: Data) -> None:
        try:
            frame = decode(data)
        except ValueError as error:
            self._log_once("invalid", "Frames of the server are ignored: %s", str(error))
            return
        match frame["type"]:
            case "message":
                await self._mailboxes.put(message_of(frame), sys.getsizeof(data))
            case "ack":
                self._confirm(self._deliveries.confirm(frame.get("nonce")))
            case "reply" | "joined" | "left" | "pong":
                await self._answer(frame.get("id"), frame)
            case "error":
                await self._refuse(frame)
            case kind:
                text = "Frames of the unknown type %s are ignored"
                self._log_once("unknown", text, kind)

    async def _answer(self, call_id: Any, answer: Any) -> bool:
        call = await self._calls.answered(call_id, answer)
        self._confirm(call.number if call is not None else 0)
        return call is not None

    async def _refuse(self, frame: dict[str, Any]) -> None:
        error = refusal_of(frame)
        is_known = self._deliveries.refuse(frame.get("nonce"), error)
        if not is_known and not await self._answer(frame.get("id"), error):
            text = "The server refuses something: %s"
            self._log_once(f"error {error.code}"[:20], text, str(error))

    def _confirm(self, number: int) -> None:
        """The server has all frames up to this *number*: it takes them in order."""
        if number:
            self._link.resumption.confirm(number)

    def _log_once(self, kind: str, text: str, about: str) -> None:
        if kind not in self._logged and len(self._logged) < 100:
            self._logged.add(kind)
            logger.warning(
                f"{text}. This is logged once", shown(about), extra=fields("client_frame_ignored")
            )
