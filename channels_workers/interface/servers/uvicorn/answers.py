"""Answers of uvicorn to HTTP requests, on their way to clients."""

from __future__ import annotations

from typing import Any

from channels_workers.interface.servers import kernel, parts
from channels_workers.interface.servers.uvicorn.server import is_of_uvicorn
from channels_workers.logs import fields

#: What is needed of the transport of a request.
TRANSPORT_PARTS = ("abort", "get_extra_info", "get_write_buffer_size")

MISSING = (
    "The transport of this uvicorn has no %s: clients that do not read their answers keep them in "
    "its memory. Take the versions in the documentation, or put a proxy in front that has such "
    "limits"
)


class ResponseTransport:
    """The connection of one HTTP request of uvicorn, whose `send` waits while it is full."""

    def __init__(self, transport: Any) -> None:
        self.key = transport

    def unsent(self) -> int:
        """Return how many bytes the transport holds that the client has not taken."""
        return int(self.key.get_write_buffer_size())

    def unread(self) -> int:
        """Return the same plus the bytes in the kernel that the client has not read."""
        return self.unsent() + kernel.unread_bytes(self.key.get_extra_info("socket"))

    async def room(self) -> None:
        """Leave it to `send`."""

    def cut(self) -> None:
        """Drop the connection with all that waits."""
        self.key.abort()

    def release(self) -> None:
        """Do nothing."""


def response_transport(send: Any) -> ResponseTransport | None:
    """Return the connection that uvicorn's *send* writes to; None for another server's *send*."""
    if not is_of_uvicorn(send):
        return None
    transport = getattr(send.__self__, "transport", None)
    if missing := parts.missing(transport, TRANSPORT_PARTS):
        parts.report(MISSING, ", ".join(missing), extra=fields("feature_missing"))
        return None
    return ResponseTransport(transport)
