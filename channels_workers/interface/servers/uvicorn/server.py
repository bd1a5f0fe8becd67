"""uvicorn's own `send`: a method of the connection's protocol."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.log_limits import fold_client_lines

#: When a client that does not read our close frame is cut (s); uvicorn itself waits 10 s for its
#: answer.
ABORT_TIMEOUT = 15.0

#: Parts of the transport that tell what its client has not read, and cut it.
TRANSPORT_PARTS = ("abort", "get_write_buffer_size")

#: Parts of the protocol: its transport tells what its client has not read, and can be cut.
SEND_PARTS = ("transport",)


def fold_lines() -> None:
    """Fold log lines that clients cause: a stack trace for each frame that is not UTF-8."""
    lines = "Invalid UTF-8 sequence received from client.", "Invalid HTTP request received."
    fold_client_lines("uvicorn.error", lines)


def is_of_uvicorn(send: Any) -> bool:
    """Say whether *send* is uvicorn's own: a method of its protocol."""
    owner = type(getattr(send, "__self__", None))
    return owner.__module__.startswith("uvicorn.")


def protocol_behind(send: Any) -> Any:
    """Return the protocol that uvicorn's *send* is a method of."""
    return send.__self__


def transport_of(send: Any) -> asyncio.WriteTransport | None:
    """Return the transport that uvicorn's *send*, a method of its protocol, writes to.

    Those of uvloop have the methods of asyncio's, and not their type.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return None if parts.missing(transport, TRANSPORT_PARTS) else transport


def missing_send_parts(send: Any) -> list[str]:
    """Return what sending at once, and cutting the connection, need and this uvicorn has not."""
    names = parts.missing(send.__self__, SEND_PARTS)
    return [f"protocol.{name}" for name in names]


def unsent_bytes(send: Any) -> int:
    """Return how much the transport of *send* holds that its peer has not read."""
    transport = transport_of(send)
    return transport.get_write_buffer_size() if transport is not None else 0


def abort_later(send: Any) -> None:
    """Cut the client some time after a close frame, if it is still connected.

    uvicorn closes its transport by then, and that waits for ever for a client that reads nothing.
    """
    # Of the protocol: uvloop's transports of TLS have no weak references.
    if transport_of(send) is not None:
        loop = asyncio.get_running_loop()
        loop.call_later(ABORT_TIMEOUT, _abort, weakref.ref(protocol_behind(send)))


def _abort(reference: weakref.ref[Any]) -> None:
    protocol = reference()
    if protocol is not None:
        protocol.transport.abort()
