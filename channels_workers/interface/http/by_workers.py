"""HTTP requests by workers: they go to workers as messages, as the frames of sockets do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from channels_workers.conf import configuration
from channels_workers.interface.http.bodies import Body
from channels_workers.interface.http.exchanges import Exchanges, note_answer
from channels_workers.interface.http.refusals import refuse, refuse_for_now
from channels_workers.interface.http.request import Request
from channels_workers.interface.http.request_protocol import STOPPING, RequestProtocol
from channels_workers.interface.http.responses import Answer, Answers, NoSlot
from channels_workers.interface.types import Scope, Send
from channels_workers.layers.base import WorkerLayer
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How long the layer may take to hear of the requests that a stopping server gives up (s).
LAST_WAIT = 0.5

TOO_MANY = (
    "Workers have %d requests to finish, REQUESTS_WAITING: more are answered 503. Run more workers "
    "or threads, or look for views that take long"
)


class ByWorkers:
    """The requests of one server that workers answer: each is known until the layer forgets it.

    *join* registers the server with the layer, and *answers* bounds what clients have not read.
    """

    def __init__(
        self,
        layer: Callable[[], WorkerLayer],
        join: Callable[[], None],
        answers: Answers,
        exchanges: Exchanges | None = None,
    ) -> None:
        self.get_layer = layer
        self.known: set[Request] = set()
        self.in_flight: set[Request] = set()
        self.episodes = Episodes()
        self.is_stopping = False
        self._join = join
        self._answers = answers
        self._exchanges = Exchanges() if exchanges is None else exchanges
        self._settled = asyncio.Event()

    async def __call__(self, scope: Scope, body: Body, send: Send) -> None:
        """Let a worker answer a request whose whole *body* has come."""
        if self.is_stopping:  # and perhaps not in the layer any more
            self._exchanges.refuse("stopping")
            await refuse_for_now(scope, body, send, STOPPING.text, STOPPING.retry_after)
            return
        limits = configuration()
        if len(self.in_flight) >= limits.REQUESTS_WAITING:
            extra = fields("pages_full")
            self.episodes.log(
                logger, logging.WARNING, TOO_MANY, limits.REQUESTS_WAITING, extra=extra
            )
            self._exchanges.refuse("workers_busy")
            await refuse_for_now(scope, body, send)
            return
        self._join()
        protocol = RequestProtocol(scope, body.size, limits, self.episodes)
        slot = NoSlot()
        answer = Answer(send, self._answers, slot)
        request = Request(self.get_layer(), self, protocol, body, answer)
        try:
            await request.serve()
        finally:
            answer.close()
            note_answer(scope, answer.status, lingers=slot.lingers or request.has_lingered)
        if (refusal := request.refusal) is None:
            return
        self._exchanges.refuse("stopping" if refusal == STOPPING else "no_answer")
        if refusal.status == 503:
            await refuse_for_now(scope, body, send, refusal.text, refusal.retry_after)
        else:
            await refuse(scope, body, send, *refusal)

    # Called by requests

    def add(self, request: Request) -> None:
        """Know *request*, which is about to go to the layer."""
        self._settled.clear()
        self.known.add(request)
        self.in_flight.add(request)

    def finished(self, request: Request) -> None:
        """Note that no worker has to finish *request*."""
        self.in_flight.discard(request)

    def forget(self, request: Request) -> None:
        """Note that the layer knows of the end of *request*."""
        self.in_flight.discard(request)
        self.known.discard(request)
        if not self.known:
            self._settled.set()

    # Called by the server that stops

    @property
    def lingering(self) -> list[Request]:
        """Those that wait for news: long polls and event streams."""
        return [request for request in self.known if request.protocol.lingers]

    def stop(self) -> None:
        """End those that wait for news, now and as soon as they do."""
        self.is_stopping = True
        for request in list(self.known):
            request.stop()

    async def end(self, seconds: float) -> None:
        """Wait until the layer has forgotten all; give up those that it has not in *seconds*."""
        if not await self._settle(seconds):
            for request in list(self.known):
                request.give_up()
            await self._settle(LAST_WAIT)

    async def _settle(self, seconds: float) -> bool:
        if self.known:
            try:
                async with asyncio.timeout(seconds):
                    await self._settled.wait()
            except TimeoutError:
                return False
        return True
