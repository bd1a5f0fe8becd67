"""Writing whole frames to uvicorn's transports, past its `send`.

Each implementation of uvicorn has a function that writes if `send` would only encode the frame and
write it, too: the socket is open, its client reads, and no extension changes the frame, or none but
:mod:`~channels_workers.interface.servers.uvicorn.deflate`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.uvicorn.deflate import wire_for
from channels_workers.logs import fields

#: Writes a frame for the socket of a protocol; returns False if that is left to `send`.
Write = Callable[[Any, SharedFrame], bool]

MISSING = (
    "This uvicorn, or its %s, has no %s. It encodes a frame for a group once for each socket, "
    "which is slower. Use a version that channels_workers was tested with"
)

#: What the functions need of the protocols of uvicorn, and of the objects behind them.
SANSIO_PARTS = ("conn", "disconnected", "transport", "writable")
CONN_PARTS = ("_state", "debug", "expect_continuation_frame", "extensions", "writes")
WSPROTO_PARTS = ("close_sent", "conn", "disconnected", "response_started", "transport", "writable")
CONNECTION_PARTS = ("_proto", "_state")
PROTO_PARTS = ("_outbound_opcode", "extensions")
LEGACY_PARTS = (
    *("_fragmented_message_waiter", "_paused", "closed_event", "debug", "extensions"),
    *("handshake_completed_event", "state", "transport"),
)


def writer_for(protocol: Any) -> Write | None:
    """Return the function for a protocol of uvicorn, None if it is not known to work."""
    for kind in type(protocol).__mro__:
        if made := MAKERS.get(kind.__module__):
            return made(protocol)
    return None


def _known(package: str, missing: list[str]) -> bool:
    if missing:
        names = ", ".join(sorted(missing))
        parts.report(MISSING, package, names, extra=fields("feature_missing"))
    return not missing


# `--ws websockets-sansio`, the default


def _sansio(protocol: Any) -> Write | None:
    conn: Any = getattr(protocol, "conn", None)
    missing = parts.missing(protocol, SANSIO_PARTS) + parts.missing(conn, CONN_PARTS)
    return _sansio_writer(type(conn._state).OPEN) if _known("websockets", missing) else None


@cache
def _sansio_writer(is_open: Any) -> Write:
    def write(protocol: Any, shared: SharedFrame) -> bool:
        conn = protocol.conn
        if (
            conn._state is not is_open
            or conn.writes
            or conn.expect_continuation_frame
            or conn.debug
            or protocol.disconnected
            or not protocol.writable.is_set()
        ):
            return False
        agreed = conn.extensions
        wire = wire_for(agreed, shared) if agreed else shared.wire or shared.encode()
        if wire is None:
            return False
        protocol.transport.write(wire)
        return True

    return write


# `--ws wsproto`


def _wsproto(protocol: Any) -> Write | None:
    missing = parts.missing(protocol, WSPROTO_PARTS) or missing_of_wsproto()
    return _wsproto_writer(type(protocol.conn.state).OPEN) if _known("wsproto", missing) else None


@cache
def missing_of_wsproto() -> list[str]:
    """Return what a connection of wsproto lacks; there is none before the handshake is accepted."""
    module: Any = sys.modules["wsproto.connection"]
    connection = module.Connection(module.ConnectionType.SERVER)
    missing = parts.missing(connection, CONNECTION_PARTS)
    return missing or parts.missing(connection._proto, PROTO_PARTS)


@cache
def _wsproto_writer(is_open: Any) -> Write:
    def write(protocol: Any, shared: SharedFrame) -> bool:
        connection = protocol.conn.connection
        if (
            connection is None
            or connection._state is not is_open
            or connection._proto._outbound_opcode is not None
            or protocol.close_sent
            or protocol.response_started
            or protocol.disconnected
            or not protocol.writable.is_set()
            or protocol.transport.is_closing()
        ):
            return False
        agreed = connection._proto.extensions
        wire = wire_for(agreed, shared) if agreed else shared.wire or shared.encode()
        if wire is None:
            return False
        protocol.transport.write(wire)
        return True

    return write


# `--ws websockets`, which uvicorn will drop


def _legacy(protocol: Any) -> Write | None:
    missing = parts.missing(protocol, LEGACY_PARTS)
    return _legacy_writer(type(protocol.state).OPEN) if _known("websockets", missing) else None


@cache
def _legacy_writer(is_open: Any) -> Write:
    def write(protocol: Any, shared: SharedFrame) -> bool:
        if (
            protocol.state is not is_open
            or not protocol.handshake_completed_event.is_set()
            or protocol.closed_event.is_set()
            or protocol.transfer_data_task.done()  # it is there while the state is open
            or protocol._fragmented_message_waiter is not None
            or protocol.debug
            or protocol._paused
            or protocol.transport.is_closing()
        ):
            return False
        agreed = protocol.extensions
        wire = wire_for(agreed, shared) if agreed else shared.wire or shared.encode()
        if wire is None:
            return False
        protocol.transport.write(wire)
        return True

    return write


MAKERS: dict[str, Callable[[Any], Write | None]] = {
    "uvicorn.protocols.websockets.websockets_sansio_impl": _sansio,
    "uvicorn.protocols.websockets.wsproto_impl": _wsproto,
    "uvicorn.protocols.websockets.websockets_impl": _legacy,
}
