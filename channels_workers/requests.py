"""The HTTP requests that an interface server answers."""

from __future__ import annotations

import asyncio

from channels_workers.health import Application, Receive
from channels_workers.outgoing import SendEvent
from channels_workers.protocol import Scope

REFUSAL = b"This server ends. Please ask again.\n"


class Requests:
    """The ASGI application *http*, which can be brought to an end.

    Daphne ends the event loop under the requests that it answers. A thread of Django that waits for
    that loop would wait for ever, and the process with it.
    """

    def __init__(self, http: Application) -> None:
        self.http = http
        self.ending = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: SendEvent) -> None:
        """Answer a request: by *http*, or with 503 once the end has begun."""
        if self.ending:
            await _refuse(send)
            return
        self._under_way += 1
        self._idle.clear()
        try:
            await self.http(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def end(self) -> None:
        """Take no more requests, and wait for those under way."""
        self.ending = True
        await self._idle.wait()


async def _refuse(send: SendEvent) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(REFUSAL)).encode()),
        (b"retry-after", b"1"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": REFUSAL})
