"""autobahn's WebSocket protocol, which Daphne's is made of."""

from __future__ import annotations

from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.types import Event

#: How long a client of Daphne may take to answer our close frame, before its line is reset (s): as
#: under uvicorn. Autobahn's own second is too short for one that is slow, or far away: a reset can
#: take the frame, and what was sent before it, away from who has not read it yet.
CLOSE_HANDSHAKE_TIMEOUT = 10.0

#: What sending needs: reasons of a close, and empty frames, which Daphne's own `send` drops.
SEND_PARTS = ("closeHandshakeTimeout", "sendClose", "sendMessage", "state", "STATE_OPEN")

#: What holding a client back needs.
GATE_PARTS = (
    *("autoPingTimeout", "autoPingTimeoutCall", "dataReceived", "factory"),
    *("maxMessagePayloadSize", "state", "STATE_CONNECTING", "transport"),
)


def missing_send_parts(protocol: Any) -> list[str]:
    """Return what :func:`close_open` and :func:`send_empty` need and *protocol* does not have."""
    return [f"protocol.{name}" for name in parts.missing(protocol, SEND_PARTS)]


def close_open(protocol: Any, event: Event) -> bool:
    """Close a socket with the reason of *event*; False if it is not open."""
    if protocol.state != protocol.STATE_OPEN:
        return False
    protocol.closeHandshakeTimeout = CLOSE_HANDSHAKE_TIMEOUT
    protocol.sendClose(event["code"], event.get("reason"))
    return True


def send_empty(protocol: Any, *, is_binary: bool) -> bool:
    """Send an empty frame; False if the socket is not open."""
    if protocol.state != protocol.STATE_OPEN:
        return False
    protocol.sendMessage(b"", is_binary)
    return True


def bound_messages(protocol: Any, size: int) -> None:
    """Let it refuse messages of more than *size* bytes, or of fewer if it does so already."""
    limit = protocol.maxMessagePayloadSize
    protocol.maxMessagePayloadSize = min(limit, size) if limit else size


def expect_pongs(protocol: Any, is_expected: bool) -> None:
    """Let it close a client that answers no pings, or not; it sends them in any case."""
    protocol.autoPingTimeout = protocol.factory.autoPingTimeout if is_expected else 0
    if not is_expected and protocol.autoPingTimeoutCall:
        protocol.autoPingTimeoutCall.cancel()
        protocol.autoPingTimeoutCall = None


def fragments(protocol: Any) -> int:
    """Return how many fragments of an unfinished message it keeps."""
    return len(getattr(protocol, "message_data", None) or ())
