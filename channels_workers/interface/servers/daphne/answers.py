"""Answers of Daphne to HTTP requests, on their way to clients."""

from __future__ import annotations

import asyncio
from typing import Any

from channels_workers.interface.servers import kernel, parts
from channels_workers.interface.servers.daphne import twisted
from channels_workers.interface.servers.daphne.server import is_of_daphne
from channels_workers.logs import fields

#: What is needed of a request of Twisted, and of its transport.
PARTS = ("notifyFinish", "registerProducer", "transport", "unregisterProducer")
TRANSPORT_PARTS = ("abortConnection",)

MISSING = (
    "This Daphne, or its Twisted, has no %s: answers that clients do not read pile up in its "
    "memory. Take the versions in the documentation, or put a proxy in front that has such limits"
)


class ResponseTransport:
    """The connection of one request of Daphne: a producer that Twisted pauses while it is full."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._room = asyncio.Event()
        self._room.set()
        self.key = request.transport
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(lambda _: self._room.set())

    def unsent(self) -> int:
        """Return how many bytes Twisted holds that the client has not taken."""
        return twisted.unsent_bytes(self.key) if getattr(self.key, "connected", True) else 0

    def unread(self) -> int:
        """Return the same plus the bytes in the kernel that the client has not read."""
        return self.unsent() + kernel.unread_bytes(getattr(self.key, "socket", None))

    async def room(self) -> None:
        """Wait while the transport is full."""
        if not self._room.is_set():
            await self._room.wait()

    def cut(self) -> None:
        """Drop the connection with all that waits."""
        self.key.abortConnection()

    def release(self) -> None:
        """Let the request be finished."""
        self._room.set()
        request = self._request
        if request.producer is self:
            if getattr(request, "channel", None) is None:
                request.producer = (
                    None  # the client is gone, and the transport has no producer any more
                )
            else:
                request.unregisterProducer()

    def pauseProducing(self) -> None:  # noqa: N802  (as Twisted names it)
        """Note that the transport is full."""
        self._room.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """Note that it has room again."""
        self._room.set()

    def stopProducing(self) -> None:  # noqa: N802
        """Note that the client is gone."""
        self._room.set()


def response_transport(send: Any) -> ResponseTransport | None:
    """Return the connection that Daphne's *send* writes to; None for another server's *send*."""
    if not is_of_daphne(send):
        return None
    request: Any = send.args[0]
    if missing := parts.missing(request, PARTS):
        parts.report(MISSING, ", ".join(missing), extra=fields("feature_missing"))
        return None
    if parts.missing(request.transport, TRANSPORT_PARTS):
        return None
    if getattr(request, "channel", None) is None:  # the client is gone
        return None
    return ResponseTransport(request)
