"""The ways out to a client: which of them suits the server of its socket.

Servers differ. uvicorn's `send` waits while a client does not read, and only then. Daphne's takes
everything, and unread frames pile up in the transport behind it. So under both a broadcast needs no
task for each socket. Under other servers, and where these lack the parts that this needs, each
socket has one.
"""

from __future__ import annotations

from collections.abc import Callable

from channels_workers.conf import Configuration
from channels_workers.interface.outgoing import Outgoing, VirtualOutgoing
from channels_workers.interface.servers import parts, virtual
from channels_workers.interface.servers.daphne import autobahn, twisted
from channels_workers.interface.servers.daphne.outgoing import DaphneOutgoing
from channels_workers.interface.servers.daphne.server import (
    is_of_daphne,
    protocol_behind,
    transport_behind,
)
from channels_workers.interface.servers.uvicorn import server as uvicorn
from channels_workers.interface.servers.uvicorn.outgoing import UvicornOutgoing
from channels_workers.interface.traffic import Traffic
from channels_workers.interface.types import Send
from channels_workers.interface.unread import Unread
from channels_workers.logs import fields

MISSING = (
    "This %s has no %s. Frames go to its clients by a task for each socket, which is slower. Under "
    "Daphne the reason of a close and empty frames are lost, and only the transport bounds what a "
    "client does not read. Use a version that channels_workers was tested with"
)


def outgoing_for(
    send: Send,
    limits: Configuration,
    overflow: Callable[[], None],
    unread: Unread | None = None,
    traffic: Traffic | None = None,
) -> Outgoing:
    """Return what suits the server that *send* is of; *overflow* is called at a limit."""
    kind = kind_for(send)
    unread = Unread() if unread is None else unread
    return kind(send, limits, overflow, unread, Traffic() if traffic is None else traffic)


def kind_for(send: Send) -> type[Outgoing]:
    """Return the fastest way that the parts of its server allow."""
    if is_of_daphne(send):
        missing = autobahn.missing_send_parts(protocol_behind(send))
        missing += twisted.missing_tcp_parts(transport_behind(send))
        if not missing:
            return DaphneOutgoing
        _report("Daphne, or its autobahn or Twisted,", missing)
    elif uvicorn.is_of_uvicorn(send):
        if not (missing := uvicorn.missing_send_parts(send)):
            return UvicornOutgoing
        _report("uvicorn", missing)
    elif virtual.end_behind(send) is not None:
        return VirtualOutgoing
    return Outgoing


def _report(server: str, missing: list[str]) -> None:
    parts.report(MISSING, server, ", ".join(missing), extra=fields("feature_missing"))
