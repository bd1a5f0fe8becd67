"""Hands a handshake to a WebSocket protocol of uvicorn, without a second parser where it can."""

from __future__ import annotations

import sys
from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.servers.upgrades import Upgrade

#: The module of uvicorn's protocol on websockets without I/O, and what it imports from there.
SANS_IO = "uvicorn.protocols.websockets.websockets_sansio_impl"
IMPORTED = ("Headers", "Request")

#: What is needed of the protocol, and of its connection.
PARTS = ("conn", "handle_connect", "handshake_complete")
CONNECTION_PARTS = ("debug", "parser")

#: The classes whose objects have all this.
_known: set[type] = set()


def begin(protocol: Any, upgrade: Upgrade) -> None:
    """Let *protocol*, which has a transport, answer *upgrade*."""
    if type(protocol) in _known or is_known(protocol):
        _connect(protocol, upgrade)
    else:
        protocol.data_received(upgrade.head)


def forget(protocol: Any) -> None:
    """Free request and answer of a handshake of *protocol* that is accepted: nothing needs them."""
    if type(protocol) in _known and protocol.handshake_complete:
        protocol.request = protocol.response = None


def is_known(protocol: Any) -> bool:
    """Say whether *protocol* can take a request that is parsed already."""
    if type(protocol).__module__ != SANS_IO or parts.missing(protocol, PARTS):
        return False
    missing = parts.missing(protocol.conn, CONNECTION_PARTS)
    missing += parts.missing(sys.modules[SANS_IO], IMPORTED)
    if missing or protocol.conn.debug or _frames_of(protocol.conn) is None:
        return False
    _known.add(type(protocol))
    return True


def _frames_of(connection: Any) -> Any:
    """Return the parser of frames, which follows that of the handshake; None if there is none."""
    base = getattr(sys.modules.get("websockets.protocol"), "Protocol", None)
    return base.parse if base is not None and isinstance(connection, base) else None


def _connect(protocol: Any, upgrade: Upgrade) -> None:
    module: Any = sys.modules[SANS_IO]
    headers = module.Headers()
    for name, value in upgrade.headers.items():
        headers.set_insecure(name.decode("ascii"), value.decode("latin-1"))
    connection = protocol.conn
    connection.parser = parser = _frames_of(connection)(connection)
    next(parser)
    protocol.handle_connect(module.Request(upgrade.target.decode("ascii"), headers))
