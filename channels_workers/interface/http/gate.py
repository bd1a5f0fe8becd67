"""The HTTP requests that an interface server answers."""

from __future__ import annotations

import asyncio

from channels_workers.conf import http_by
from channels_workers.interface.http.bodies import Bodies, Body
from channels_workers.interface.http.exchanges import (
    EXCHANGE,
    INTERFACE,
    WORKERS,
    Exchange,
    Exchanges,
    note_answer,
)
from channels_workers.interface.http.refusals import refuse, refuse_for_now
from channels_workers.interface.http.responses import Answer, Answers
from channels_workers.interface.http.slots import KEY, NoPlace, Place, Places
from channels_workers.interface.replies import consumers_path
from channels_workers.interface.types import Application, Receive, Scope, Send

ENDING = b"This server ends. Please ask again.\n"


class HttpGate:
    """The ASGI application *http* with its limits; it can refuse new requests and drain.

    The requests that CHANNEL_WORKERS["HTTP"] leaves to workers go to *by_workers* instead.

    Daphne ends the event loop while it still answers requests. A thread of Django that waits for
    that loop would hang, and the process with it.
    """

    def __init__(
        self,
        http: Application,
        by_workers: Application,
        answers: Answers,
        exchanges: Exchanges | None = None,
    ) -> None:
        self.http = http
        self.exchanges = Exchanges() if exchanges is None else exchanges
        self.by_workers = by_workers
        self.ending = False
        self.bodies = Bodies(self.exchanges)
        self.places = Places()
        self.answers = answers
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: by *http* or workers, or with 503 once the end has begun."""
        by = http_by(consumers_path(scope))
        await self.exchange(
            scope, receive, send, by, self.by_workers if by == WORKERS else self._ask
        )

    async def exchange(
        self, scope: Scope, receive: Receive, send: Send, by: str, page: Application
    ) -> None:
        """Answer a request by *page*, which counts as *by*, or with 503 once the end has begun."""
        exchange = Exchange()
        end = self.exchanges.begin(by)
        try:
            await self._exchange({**scope, EXCHANGE: exchange}, receive, send, page)
        finally:
            end(exchange)

    async def _exchange(
        self, scope: Scope, receive: Receive, send: Send, page: Application
    ) -> None:
        if self.ending:
            self.exchanges.refuse("stopping")
            await refuse_for_now(scope, receive, send, ENDING, b"1")
            return
        self._in_flight += 1
        self._idle.clear()
        try:
            await self.serve(scope, receive, send, page)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def end(self) -> None:
        """Refuse new requests, and wait for those in flight."""
        self.ending = True
        await self._idle.wait()

    async def serve(self, scope: Scope, receive: Receive, send: Send, page: Application) -> None:
        """Answer a request by *page*, once its whole body has come and is not too large."""
        body = Body(receive, self.bodies)
        try:
            status = await body.collect(scope)
            if status:
                await refuse(scope, receive, send, status)
            elif not body.is_gone:
                await page(scope, body, send)
        finally:
            body.release()

    async def _ask(self, scope: Scope, body: Body, send: Send) -> None:
        try:
            place = await self.places.take(body.gone)
        except NoPlace:
            self.exchanges.refuse("no_place")
            await refuse_for_now(scope, body, send)
            return
        if place is not None:
            await self._answer({**scope, KEY: place}, body, send, place)

    async def _answer(self, scope: Scope, body: Body, send: Send, place: Place) -> None:
        answer = Answer(send, self.answers, place)
        try:
            try:
                await self.http(scope, body, answer.send)
            except Exception:
                place.leave()
                await answer.finish()  # the server needs to know what was sent already
                raise
            place.leave()
            await answer.finish()
        finally:
            place.leave()
            answer.close()
            note_answer(scope, answer.status, lingers=place.lingers)

    async def refuse_address(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request of an address that has too many in flight."""
        self.exchanges.refuse("address")
        self.exchanges.count(INTERFACE, 429)
        await refuse(scope, receive, send, 429)
