"""A client of a site: one person with cookies, and one socket at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.protocol import State
from websockets.typing import Subprotocol

from labs.genuine.comparison.pages import Pages
from labs.genuine.comparison.requests import Asked, Waiting
from labs.genuine.comparison.times import without_times

#: Time-outs of a pong, and of a socket's end (s).
TIMEOUT = 60.0

#: How long a handshake may stay unanswered once the engine is idle (s).
ANSWER_TIMEOUT = 1.0

Handshake = asyncio.Task[ClientConnection]


class Client:
    """`take_events` returns its events as texts, each a frame, an answer or a close."""

    def __init__(self, port: int) -> None:
        self.pages = Pages(port)
        self.address = f"ws://127.0.0.1:{port}"
        self.frames_sent = 0
        self._handshake: Handshake | None = None
        self._socket: ClientConnection | None = None
        self._events: list[str] = []
        self._waiting: tuple[Waiting, asyncio.Task[str]] | None = None

    @property
    def is_connecting(self) -> bool:
        """Whether its handshake is unanswered."""
        return self._handshake is not None and not self._handshake.done()

    @property
    def is_live(self) -> bool:
        """Whether it has a socket or a pending handshake, as far as it knows."""
        self._note_handshake()
        return self.is_connecting or self._is_open()

    def _is_open(self) -> bool:
        return self._socket is not None and self._socket.state is not State.CLOSED

    @property
    def is_waiting(self) -> bool:
        """Whether a request of `begin_to_wait` has no whole answer."""
        return self._waiting is not None and not self._waiting[1].done()

    def take_events(self) -> list[str]:
        """Return the events since the last call."""
        self._note_waiting()
        events, self._events = self._events, []
        return events

    # Actions

    def begin_to_connect(
        self, path: str, headers: Mapping[str, str], subprotocols: Sequence[str]
    ) -> None:
        """Send a handshake without waiting for the answer."""
        cookies = self.pages.cookies()
        given = {**({"Cookie": cookies} if cookies else {}), **headers}
        self.frames_sent = 0
        self._handshake = asyncio.create_task(
            self._connect(path, given, [Subprotocol(name) for name in subprotocols])
        )

    async def _connect(
        self, path: str, headers: Mapping[str, str], subprotocols: list[Subprotocol]
    ) -> ClientConnection:
        return await connect(
            self.address + path,
            additional_headers=headers,
            subprotocols=subprotocols or None,
            compression=None,
            open_timeout=None,
            ping_interval=None,
            max_size=None,
            max_queue=None,  # otherwise a pong would queue behind unread frames
            proxy=None,
        )

    async def send(self, *frames: str | bytes) -> None:
        """Send *frames* without waiting."""
        for frame in frames:
            if self._socket is None or not self._is_open():
                return
            try:
                await self._socket.send(frame)
            except ConnectionClosed:
                return
            self.frames_sent += 1

    async def close(self, code: int = 1000) -> None:
        """Close the socket with *code*."""
        if self._socket is not None:
            await self._socket.close(code)

    async def abandon(self) -> None:
        """Abandon an unanswered handshake."""
        if self._handshake is not None and not self._handshake.done():
            self._handshake.cancel()
            await asyncio.wait([self._handshake], timeout=TIMEOUT)

    async def request(self, path: str, form: Mapping[str, str] | None = None) -> None:
        """Request a page."""
        answer = await asyncio.to_thread(self.pages.request, path, form)
        self._events.append(without_times(answer))

    async def ask(self, asked: Asked) -> None:
        """Send a request, and wait for its answer."""
        answer = await asyncio.to_thread(self.pages.requests.ask, asked)
        self._events.append(without_times(answer))

    def begin_to_wait(self, path: str) -> None:
        """Send a request without waiting for its answer. Nothing if there is one already."""
        if not self.is_waiting:
            self._note_waiting()
            waiting = self.pages.requests.begin_to_wait(Asked("GET", path))
            self._waiting = waiting, asyncio.create_task(asyncio.to_thread(waiting.read))

    async def leave(self) -> None:
        """Break off the request that waits."""
        if self._waiting is not None and self.is_waiting:
            waiting, task = self._waiting
            waiting.leave()
            await asyncio.wait([task], timeout=TIMEOUT)

    # Events

    async def wait_for_answer(self) -> None:
        """Wait for the answer of the handshake, which is in transit or will never come."""
        if self._handshake is not None:
            await asyncio.wait([self._handshake], timeout=ANSWER_TIMEOUT)

    async def hear(self) -> None:
        """Let the server read all that was sent, and read all that it has written by then."""
        self._note_handshake()
        if self._socket is None:
            return
        with suppress(ConnectionClosed):  # which is read after the last frames
            await asyncio.wait_for(await self._socket.ping(), TIMEOUT)
        await self._read(self._socket)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                async with asyncio.timeout(0):  # reads what has arrived, without waiting
                    self._events.append(describe_frame(await socket.recv()))
        except TimeoutError:
            return
        except ConnectionClosed:
            self._socket = None
            self._events.append(f"closed {socket.close_code}")

    def _note_waiting(self) -> None:
        if self._waiting is not None and self._waiting[1].done():
            self._events.append(self._waiting[1].result())
            self._waiting = None

    def _note_handshake(self) -> None:
        handshake = self._handshake
        if handshake is None or not handshake.done():
            return
        self._handshake = None
        self._events.append(self._describe_answer(handshake))

    def _describe_answer(self, handshake: Handshake) -> str:
        try:
            self._socket = handshake.result()
        except asyncio.CancelledError:
            return "no answer to the handshake"
        except InvalidStatus as error:
            return f"refused {error.response.status_code}"
        except (InvalidHandshake, OSError, EOFError) as error:
            return f"failed {type(error).__name__}"
        return f"accepted {self._socket.subprotocol or ''}".strip()


def describe_frame(frame: str | bytes) -> str:
    """Return a frame in its form for comparison: with times replaced."""
    return f"text {without_times(frame)}" if isinstance(frame, str) else f"bytes {frame!r}"
