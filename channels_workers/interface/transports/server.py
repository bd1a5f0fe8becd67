"""The fallback transports of one interface server: HTTP requests that carry sockets.

A socket is opened, read, written and closed by POST requests to its own path, so that proxies guard
and route them as they do the WebSocket. The header ``Channels-Workers-Transport`` has the verb.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable, MessageTooLarge
from channels_workers.interface.client_address import LimitPerAddress, Place
from channels_workers.interface.close_codes import ABNORMAL
from channels_workers.interface.http.bodies import Body
from channels_workers.interface.http.exchanges import INTERFACE, note_answer
from channels_workers.interface.http.gate import HttpGate
from channels_workers.interface.http.responses import Answer, Answers, NoSlot
from channels_workers.interface.transports import reading
from channels_workers.interface.transports.answers import send_json
from channels_workers.interface.transports.homes import Homes
from channels_workers.interface.transports.ids import SocketId, new_key, of_text, to_text
from channels_workers.interface.transports.refusals import (
    GONE,
    Busy,
    Refused,
    Stopping,
    bad_request,
)
from channels_workers.interface.transports.relay import WAIT, Relay
from channels_workers.interface.transports.socket import PUSH_TIME, VirtualSocket, virtual_scope
from channels_workers.interface.transports.wire import (
    HEADER,
    SSE,
    Close,
    Frame,
    Open,
    Receive,
    Send,
    read,
)
from channels_workers.interface.types import Application, Scope
from channels_workers.interface.types import Send as ServerSend
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.codec import Content
from channels_workers.layers.types import new_id
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How long a server that stops waits for polls that other servers relay (s).
LAST_POLLS = 1.0

#: After how long a client should ask again (s).
RETRY_AFTER = 1

TOO_MANY = "Sockets over HTTP are refused: this server has %d, FALLBACK_SOCKETS. Run more servers"

REFUSED = "A request of a fallback transport is answered %d: %s"


class Transports:
    """The virtual sockets of one server; *serve* runs each as any other socket."""

    def __init__(
        self,
        serve: Application,
        layer: Callable[[], WorkerLayer],
        http: HttpGate,
        answers: Answers,
    ) -> None:
        self._serve = serve
        self._http = http
        self._answers = answers
        self._homes = Homes()
        self._relay = Relay(layer, self._homes.answer)
        self._per_address = LimitPerAddress(
            self, "REQUESTS_PER_ADDRESS", "requests under way", http.refuse_address
        )
        self._episodes = Episodes()

    def takes(self, scope: Scope) -> bool:
        """Say whether the HTTP request of *scope* carries a socket."""
        is_possible = configuration().FALLBACKS and scope.get("method") == "POST"
        return is_possible and bool(_header(scope, HEADER))

    async def __call__(self, scope: Scope, receive: Any, send: ServerSend) -> None:
        """Answer such a request."""
        place = self._per_address.enter(scope)
        if place is None:
            await self._per_address.refuse(scope, receive, send)
            return
        try:
            page = partial(self._page, place)
            await self._http.exchange(scope, receive, send, INTERFACE, page)
        finally:
            place.leave()

    def stop(self) -> None:
        """Ask other servers no more, as this one stops."""
        self._relay.stop()

    async def settle(self) -> None:
        """Let other servers have the last answers, and clients the codes of their closes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_POLLS):
                await self._homes.all_told()
        await self._relay.settle()

    async def _page(self, place: Place, scope: Scope, body: Body, send: ServerSend) -> None:
        slot = NoSlot()
        answer = Answer(send, self._answers, slot)
        try:
            await _while_here(body, self._answer(place, scope, body, answer))
            await answer.finish()
        finally:
            answer.close()
            is_read = _header(scope, HEADER) == b"receive"
            note_answer(scope, answer.status, lingers=slot.lingers or is_read)

    async def _answer(self, place: Place, scope: Scope, body: Body, answer: Answer) -> None:
        try:
            match _read(scope, body):
                case Open() as request:
                    await self._open(scope, request, answer)
                case Receive() as request:
                    fetch = partial(self._fetch, self._find(request.id, scope), new_id())
                    by = reading.stream if request.by == SSE else reading.poll
                    await by(fetch, request.after, answer, place.leave)
                case Send() as request:
                    await self._send(self._find(request.id, scope), request, answer)
                case Close() as request:
                    found = self._find(request.id, scope)
                    await self._ask(found, "close", {"code": request.code})
                    await send_json(answer, {})
        except Refused as refused:
            await self._refuse(answer, refused.status, str(refused))
        except MessageTooLarge as error:  # for another server
            await self._refuse(answer, 413, str(error))
        except (LayerUnavailable, Busy, Stopping):
            await send_json(answer, {"error": "later"}, 503, RETRY_AFTER)

    async def _refuse(self, answer: Answer, status: int, text: str) -> None:
        if 400 <= status < 500 and status not in EXPECTED:
            extra = fields("request_refused")
            self._episodes.log(logger, logging.WARNING, REFUSED, status, text, extra=extra)
        await send_json(answer, {"error": text}, status)

    # The verbs

    async def _open(self, scope: Scope, request: Open, answer: Answer) -> None:
        limit = configuration().FALLBACK_SOCKETS
        if len(self._homes.known) >= limit:
            extra = fields("request_refused")
            self._episodes.log(logger, logging.WARNING, TOO_MANY, limit, extra=extra)
            raise Busy
        try:
            async with asyncio.timeout(configuration().HANDSHAKE_TIMEOUT):
                home = await self._relay.name()
        except TimeoutError:
            raise LayerUnavailable("The layer does not answer.") from None
        socket = VirtualSocket(
            virtual_scope(scope, request.protocols), new_key(), self._homes.ended
        )
        self._homes.add(socket)
        socket.begin(self._serve)
        try:
            handshake = await asyncio.shield(socket.handshake)
        except asyncio.CancelledError:
            socket.leave(ABNORMAL)
            raise
        if handshake.status != 200:
            status, later = handshake.status, handshake.retry_after
            await send_json(answer, {"error": "refused"}, status, later)
            return
        told = {
            "id": to_text(SocketId(home, socket.key), scope["path"]),
            "protocol": handshake.protocol,
            "timeout": configuration().FALLBACK_TIMEOUT,
        }
        await send_json(answer, told)

    async def _fetch(
        self, found: SocketId, reader: str, after: int, wait: float, *, is_first: bool
    ) -> Content:
        wait = wait if self._is_here(found) else min(wait, WAIT)
        asked = {"reader": reader, "after": after, "wait": wait, "first": is_first}
        return await self._ask(found, "poll", asked, wait)

    async def _send(self, found: SocketId, request: Send, answer: Answer) -> None:
        size = None if self._is_here(found) else self._relay.part_size()
        received = 0
        for first, frames in _pieces(request.first, request.frames, size):
            asked = {"first": first, "frames": frames, "ack": request.ack}
            received = (await self._ask(found, "push", asked, PUSH_TIME))["received"]
            if received < first + len(frames) - 1:
                break
        await send_json(answer, {"received": received})

    # The socket, wherever it is

    def _find(self, text: str, scope: Scope) -> SocketId:
        found = of_text(text, scope["path"])
        if found is None:
            raise Refused(GONE, "gone")
        return found

    def _is_here(self, found: SocketId) -> bool:
        return not found.home or found.key in self._homes or self._relay.is_own(found.home)

    async def _ask(self, found: SocketId, do: str, asked: Content, wait: float = 0.0) -> Content:
        asked = {"do": do, "key": found.key, **asked}
        if self._is_here(found):
            answer = await self._homes.answer(asked)
        else:
            answer = await self._relay.ask(found.home, asked, wait)
        if answer.get("gone"):
            raise Refused(GONE, "gone")
        if answer.get("bad"):
            raise bad_request("There was no frame of this number.")
        return answer


#: Statuses of which the log says nothing: a server has ended, or a client has asked again.
EXPECTED = (GONE, 409)


def _header(scope: Scope, name: bytes) -> bytes:
    found = [value for each, value in scope.get("headers", ()) if each == name]
    return bytes(found[0]) if len(found) == 1 else b""


def _read(scope: Scope, body: Body) -> Open | Receive | Send | Close:
    if _header(scope, b"content-type").partition(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "The Content-Type must be application/json.")
    return read(_header(scope, HEADER), body.read(0, body.size))


def _pieces(
    first: int, frames: Sequence[Frame], size: int | None
) -> Iterator[tuple[int, list[Frame]]]:
    """Yield *frames* in lists of up to *size* bytes or one frame, each with its first number."""
    piece: list[Frame] = []
    taken = 0
    for frame in frames:
        length = 4 * len(frame) if isinstance(frame, str) and not frame.isascii() else len(frame)
        if piece and size is not None and taken + length > size:
            yield first, piece
            first, piece, taken = first + len(piece), [], 0
        piece.append(frame)
        taken += length
    yield first, piece


async def _while_here(body: Body, work: Coroutine[Any, Any, None]) -> None:
    """Await *work*, which is cancelled when the client leaves."""
    task, gone = asyncio.create_task(work), asyncio.create_task(body.gone())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
