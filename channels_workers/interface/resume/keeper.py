"""The resumable connections of one server, and those that wait for their clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.signing import Signer

from channels_workers.conf import configuration
from channels_workers.interface.client_address import network_of_client
from channels_workers.interface.replies import connect_content
from channels_workers.interface.resume.protocol import ResumableProtocol
from channels_workers.interface.resume.replay import Replay, Replays
from channels_workers.interface.resume.socket import Attachment, ResumableSocket
from channels_workers.interface.resume.tokens import Ticket, read_token, signer_for
from channels_workers.interface.resume.wire import Offer
from channels_workers.interface.socket import Sockets
from channels_workers.interface.traffic import TIMED_OUT
from channels_workers.interface.types import Scope, Send, close_event
from channels_workers.layers.base import WorkerLayer
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

CROWDED = (
    "A connection ended before its client could come back: more than %d of this server wait for "
    "their clients. Raise PARKED in CHANNEL_WORKERS, or lower RESUME_TIME"
)


class Resumables:
    """The resumable connections of one server."""

    def __init__(self, layer: Callable[[], WorkerLayer], sockets: Sockets) -> None:
        self.get_layer = layer
        self.sockets = sockets
        self.replays = Replays()
        self._known: dict[str, ResumableSocket] = {}
        self._parked: dict[ResumableSocket, asyncio.TimerHandle] = {}
        #: The same by the network of their clients; in each, since longest first.
        self._crowds: dict[str, dict[ResumableSocket, None]] = {}

    @property
    def parked(self) -> list[ResumableSocket]:
        """Those that wait for their clients."""
        return list(self._parked)

    async def open(self, scope: Scope, send: Send, offer: Offer) -> Attachment | None:
        """Open a new connection, or go on with that of the *offer*; None if the socket is refused.

        A token that is forged, or of an ended connection, opens a new one, and tells nothing.
        """
        signer = signer_for(connect_content(scope))
        ticket = read_token(signer, offer.token) if offer.token else None
        if ticket is None:
            with self._made(scope, send, signer) as socket:
                await socket.open()
            return socket.attachment
        try:
            async with asyncio.timeout(configuration().HANDSHAKE_TIMEOUT):
                return await self._resume(scope, send, signer, ticket, offer.received)
        except TimeoutError:
            self.sockets.traffic.handshakes[TIMED_OUT] += 1
            await send(close_event(1000))  # the connection still waits for its client
            return None

    async def _resume(
        self, scope: Scope, send: Send, signer: Signer, ticket: Ticket, received: int
    ) -> Attachment | None:
        """Go on with the connection of *ticket*, or open a new one if it has ended."""
        name, kept = ticket.reply_channel, self.get_layer().kept
        is_heard = name in self._known and await kept.hears_resumes()
        found = self._known.get(name)
        if found is not None and found.protocol.can_resume:
            found.take_over(scope, send, received, is_heard=is_heard)
            found.network = network_of_client(scope)
            return found.attachment
        with self._made(scope, send, signer) as socket:
            is_adopted = found is None and await socket.adopt(scope, ticket, received)
            if not is_adopted:
                await socket.open()
        return socket.attachment

    @contextmanager
    def _made(self, scope: Scope, send: Send, signer: Signer) -> Iterator[ResumableSocket]:
        """Give a new socket, which is forgotten if the block raises."""
        sockets, limits = self.sockets, configuration()
        replay = Replay(self.replays, limits.RESUME_BYTES, limits.ALL_RESUME_BYTES)
        backlog, traffic = sockets.backlog, sockets.traffic
        protocol = ResumableProtocol(
            scope, limits, sockets.episodes, backlog, traffic, replay, signer
        )
        socket = ResumableSocket(self.get_layer(), sockets, protocol, send, self)
        socket.network = network_of_client(scope)
        try:
            yield socket
        except BaseException:
            replay.end()
            raise

    # For the sockets

    def add(self, socket: ResumableSocket) -> None:
        """Know a connection by its reply channel."""
        self._known[socket.reply_channel] = socket

    def park(self, socket: ResumableSocket) -> None:
        """Wait for the client of a connection.

        At the limit one ends: of the network with most of them, the one that waits longest.
        """
        limits = socket.protocol.limits
        self.unpark(socket)
        loop = asyncio.get_running_loop()
        self._parked[socket] = loop.call_later(limits.RESUME_TIME, socket.give_up)
        self._crowds.setdefault(socket.network, {})[socket] = None
        if len(self._parked) > limits.PARKED:
            extra = fields("parked_ended")
            self.sockets.episodes.log(logger, logging.WARNING, CROWDED, limits.PARKED, extra=extra)
            next(iter(self._largest_crowd(socket.network))).give_up()

    def _largest_crowd(self, network: str) -> dict[ResumableSocket, None]:
        """Return that of *network* if it is larger than the average, else the largest."""
        own = self._crowds[network]
        if len(own) * len(self._crowds) > len(self._parked):
            return own
        return max(self._crowds.values(), key=len)

    def unpark(self, socket: ResumableSocket) -> None:
        """Wait no more."""
        if (timer := self._parked.pop(socket, None)) is not None:
            timer.cancel()
            crowd = self._crowds[socket.network]
            del crowd[socket]
            if not crowd:
                del self._crowds[socket.network]

    def forget(self, socket: ResumableSocket) -> None:
        """Know a connection no more."""
        self.unpark(socket)
        if self._known.get(socket.reply_channel) is socket:
            del self._known[socket.reply_channel]
