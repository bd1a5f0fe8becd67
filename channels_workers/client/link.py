"""A WebSocket that reconnects by itself, below :class:`Connection` and :class:`Client`."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from channels_workers.bearer import wire
from channels_workers.client.bearing import expiry_in, renewal_delay, token_of
from channels_workers.client.delays import delay_after, delay_of, delay_told_by
from channels_workers.client.exceptions import Closed, NotConnected
from channels_workers.client.options import Options, Source, value_of, with_defaults
from channels_workers.client.resumption import Agreement, Data, Resumption
from channels_workers.client.state import ABNORMAL, State
from channels_workers.interface.close_codes import (
    FOR_GOOD,
    FRAME_TOO_LARGE,
    REPLACED,
    TOKEN_REFUSED,
)
from channels_workers.interface.resume.wire import FRAME_TYPE, OWN_FRAME
from channels_workers.logs import described, fields, shown

logger = logging.getLogger(__name__)

#: A socket that lived for less counts as a failure (s): the delays keep growing.
STEADY = 5.0

#: How many states an iterator that is not read keeps: the newest.
STATES = 100

#: The time between two tokens (s), however soon they expire: a server must not make the client ask
#: for tokens without end.
TOKEN_PAUSE = 5.0

#: The delay after a token function that failed for a renewal (s).
RENEW_AGAIN = 5.0

#: What a handshake may raise without a mistake in the caller's functions.
FORESEEN = (OSError, InvalidHandshake)  # TimeoutError is an OSError

#: Close codes after which the connection cannot be resumed, or must not: it has been replaced, or
#: the frame that closed it would be sent again.
ENDS = (*FOR_GOOD, FRAME_TOO_LARGE, REPLACED)


class _Connect(connect):
    """Follows no redirects, as browsers do not: the token must not reach another site."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Link:
    """Connects to *url* again and again, from :meth:`open` to :meth:`close`.

    Each frame goes to *on_frame*, and the next one is read when that has returned. *on_state* is
    called for each state; for ``open``, before the first frame. One that *speaks_protocol* offers
    the subprotocol of the envelope.
    """

    def __init__(
        self,
        url: Source[str],
        options: Options,
        on_frame: Callable[[Data], Awaitable[None]],
        on_state: Callable[[State], None],
        *,
        speaks_protocol: bool = False,
    ) -> None:
        if isinstance(url, str):
            parse_uri(url)  # raises InvalidURI here, and not at each attempt
        self.options = with_defaults(options)
        self.state = State("closed", code=CloseCode.NORMAL_CLOSURE)
        self.resumption = Resumption(self.options["resume"], self.options["resume_bytes"])
        self._offers = [wire.SUBPROTOCOL] if speaks_protocol or self.options["resume"] else []
        self._url, self._on_frame, self._on_state = url, on_frame, on_state
        self._socket: ClientConnection | None = None  # while it is open
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._again = asyncio.Event()
        self._watches: dict[int, deque[State]] = {}
        self._changed = asyncio.Event()
        self._attempts = self._failures = self._refusals = 0
        self._opened_at = self._asked_at = 0.0
        self._expires: float | None = None

    # What its owner calls

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent."""
        return self._socket is not None

    def open(self) -> None:
        """Connect now, unless it is connected or connecting."""
        if self._task is None or self._task.done():
            self._announce(State("connecting", is_again=self._attempts > 0))
            self._task = asyncio.create_task(self._live(), name="channels_workers.client")
        self._again.set()

    async def close(self, code: int, reason: str) -> None:
        """Close for good, or until :meth:`open`."""
        task, self._task = self._task, None
        if task is None:
            return
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close(code, reason)
        task.cancel()
        await asyncio.wait([task])
        self.resumption.begin_anew()
        if self.state.name != "closed":
            self._announce(State("closed", code=code, reason=reason))
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def restart(self) -> None:
        """Replace a socket that seems dead."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def send(self, data: Data) -> int:
        """Send a frame; return its number on this connection.

        Wait while the socket takes no more. Raises :class:`NotConnected`.
        """
        async with self._sending:
            if self._socket is None:
                raise NotConnected(f"There is no connection: it is {self.state.name}.")
            number = self.resumption.note_sent(data)
            try:
                await self._write(self._socket, data)
            except ConnectionClosed:
                if not self.resumption.is_possible:
                    raise NotConnected("The connection was lost while a frame was sent.") from None
            return number

    async def opened(self) -> None:
        """Wait until it is open. Raises :class:`Closed`."""
        while not self.is_open:
            if self.state.name == "closed":
                raise Closed(self.state.code, self.state.reason)
            await self._changed.wait()

    async def states(self) -> AsyncIterator[State]:
        """Iterate over the states, from the present one to ``closed``."""
        watch = deque([self.state], maxlen=STATES)
        self._watches[id(watch)] = watch
        try:
            while True:
                while watch:
                    state = watch.popleft()
                    yield state
                    if state.name == "closed":
                        return
                await self._changed.wait()
        finally:
            del self._watches[id(watch)]

    # Its life

    async def _live(self) -> None:
        try:
            while not self._is_final(loss := await self._try()):
                if self._task is None:  # close() was called, and the socket has ended
                    return
                await self._wait_after(loss)
                self._announce(State("connecting", is_again=True))
        except Exception as error:
            self._announce(State("closed", code=CloseCode.INTERNAL_ERROR, error=error))
            raise
        extra = fields("client_closed", code=loss.code)
        text = "The connection is closed for good, with code %d: %s"
        logger.warning(text, loss.code, shown(loss.reason) or "no reason", extra=extra)
        self._announce(State("closed", code=loss.code, reason=loss.reason))

    async def _try(self) -> State:
        """Connect, and serve the socket to its end; return the state ``lost``, without a delay."""
        self._again.clear()
        self._attempts += 1
        self._opened_at = 0.0
        try:
            async with asyncio.timeout(self.options["handshake_timeout"]):
                socket = await self._connect()
        except InvalidStatus as error:
            response = error.response
            told = delay_of(response.headers.get("Retry-After")) or 0.0
            return State("lost", status=response.status_code, error=error, delay=told)
        except Exception as error:  # noqa: BLE001  (logged; it tries again)
            return State("lost", error=error)
        try:
            await self._serve(socket)
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (ABNORMAL, "")
            return State("lost", code=code, reason=reason, error=closed, was_open=True)
        finally:
            self._socket = None
            self._stop_renewing()
            socket.transport.abort()
        raise AssertionError("the reader ended without an error")

    async def _connect(self) -> ClientConnection:
        options = self.options
        headers = {**await value_of(options["headers"])}
        self._expires = None
        if options["token"] is not None:
            self._asked_at = time.monotonic()
            token = token_of(await value_of(options["token"]))
            headers["Authorization"] = f"Bearer {token.text}"
            self._expires = token.expires
        given = await value_of(options["protocols"])
        offered = dict.fromkeys([*self._offers, *given, *self.resumption.offers()])
        return await _Connect(
            await value_of(self._url),
            subprotocols=[Subprotocol(each) for each in offered] or None,
            additional_headers=headers,
            open_timeout=None,
            ping_interval=options["ping_interval"],
            ping_timeout=options["ping_timeout"],
            close_timeout=options["close_timeout"],
            max_size=options["frame_size"],
            **options["connect"],
        )

    async def _serve(self, socket: ClientConnection) -> None:
        agreement, first = await self._agree(socket)
        self._opened_at = time.monotonic()
        for data in agreement.again:
            await socket.send(data)
        self._socket = socket
        self._renew_in(renewal_delay(self._expires))
        is_resumed, has_gap = agreement.is_resumed, agreement.has_gap
        self._announce(State("open", is_resumed=is_resumed, has_gap=has_gap))
        if first is not None:
            await self._take(first)
        while True:
            await self._take(await socket.recv())

    async def _agree(self, socket: ClientConnection) -> tuple[Agreement, Data | None]:
        """Wait for the answer to an offer to resume; return it, and a first frame that is none."""
        if not self.resumption.is_possible:
            return self.resumption.begin_anew(), None
        try:
            async with asyncio.timeout(self.options["handshake_timeout"]):
                first = await socket.recv()
        except TimeoutError:  # the server cannot resume any more, and sends nothing
            return self.resumption.begin_anew(), None
        frame = _frame_of_engine(first)
        if frame is None or frame.get("type") != FRAME_TYPE:
            return self.resumption.begin_anew(), first
        return self.resumption.agree(frame), None

    async def _take(self, data: Data) -> None:
        frame = _frame_of_engine(data)
        if frame is None:
            await self._on_frame(data)
            self.resumption.note_received()
        elif frame.get("type") == FRAME_TYPE and self.resumption.is_wanted:
            self.resumption.take_token(frame)
        elif frame.get("type") == wire.FRAME_TYPE:
            self._renew_in(renewal_delay(expiry_in(frame)))

    async def _write(self, socket: ClientConnection, data: Data) -> None:
        if not self.resumption.is_wanted:
            await socket.send(data)
            return
        # A caller that is cancelled must not take back a frame that is counted.
        writing = asyncio.ensure_future(socket.send(data))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            writing.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    # Its end

    def _is_final(self, loss: State) -> bool:
        """Say whether there is no next attempt after *loss*."""
        if self._opened_at and time.monotonic() - self._opened_at > STEADY:
            self._failures = self._refusals = 0
        if loss.was_open and loss.code in ENDS:
            self.resumption.begin_anew()
        if loss.code == TOKEN_REFUSED and loss.was_open:
            # A new token may help, once. Without a function there is none.
            self._refusals += 1
            return self._refusals > 1 or not callable(self.options["token"])
        if loss.was_open:
            return loss.code in self.options["final_codes"]
        return loss.status in self.options["final_statuses"]

    async def _wait_after(self, loss: State) -> None:
        first, longest = self.options["first_delay"], self.options["longest_delay"]
        told = delay_told_by(loss.reason) or loss.delay
        delay = told or delay_after(self._failures, first, longest)
        self._failures += 1
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        extra = fields("client_lost", code=loss.code)
        text = "The connection is lost (%s). Trying again in %.1f s."
        is_foreseen = loss.was_open or isinstance(loss.error, FORESEEN)
        error = None if is_foreseen else loss.error
        logger.log(level, text, _why(loss), delay, exc_info=error, extra=extra)
        self._announce(replace(loss, delay=delay))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._again.wait(), delay)

    def _announce(self, state: State) -> None:
        self.state = state
        for watch in self._watches.values():
            watch.append(state)
        self._changed.set()
        self._changed = asyncio.Event()
        self._on_state(state)

    # Its token

    def _renew_in(self, delay: float | None) -> None:
        self._stop_renewing()
        if delay is not None and self.options["token"] is not None:
            pause = self._asked_at + TOKEN_PAUSE - time.monotonic()
            self._renewing = asyncio.create_task(self._renew(max(delay, pause)))

    def _stop_renewing(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    async def _renew(self, delay: float) -> None:
        """Send a new token. The answer of the server starts the next renewal."""
        source = self.options["token"]
        while source is not None:
            await asyncio.sleep(delay)
            self._asked_at = time.monotonic()
            try:
                token = token_of(await value_of(source))
            except Exception as error:  # noqa: BLE001  (logged; it tries again)
                extra, text = fields("client_token_failed"), "No new token: %s. Trying again."
                logger.warning(text, described(error), extra=extra)
                delay = RENEW_AGAIN
                continue
            with suppress(NotConnected):
                await self.send(wire.to_frame(token.text))
            return


def _why(loss: State) -> str:
    """Return a text without the address, which may hold a secret."""
    if loss.was_open:
        return f"code {loss.code}" + (f", {shown(loss.reason)}" if loss.reason else "")
    if loss.status is not None:
        return f"the handshake was refused with the status {loss.status}"
    if isinstance(loss.error, FORESEEN):
        return f"no handshake: {described(loss.error)}"
    return f"no handshake: {type(loss.error).__name__} was raised"


def _frame_of_engine(data: Data) -> Mapping[str, Any] | None:
    """Return the content of a frame of the engine itself; None for any other."""
    if not isinstance(data, str) or not data.startswith(OWN_FRAME):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
