"""autobahn's WebSocket protocol, which Daphne's is made of."""

from __future__ import annotations

from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.types import Event

#: How long a client of Daphne may take to answer our close frame before a reset (s); as under
#: uvicorn. autobahn's own second is too short for a slow or distant client: a reset can discard the
#: close frame, and earlier frames, before the client has read them.
CLOSE_HANDSHAKE_TIMEOUT = 10.0

#: What sending needs: reasons of a close, and frames that Daphne's own `send` drops.
SEND_PARTS = (
    *("closeHandshakeTimeout", "maxMessagePayloadSize", "sendClose", "sendMessage", "state"),
    "STATE_OPEN",
)

#: What sending a whole frame needs: the state, what changes a frame, and what counts it.
DIRECT_PARTS = (
    *("_perMessageCompress", "autoFragmentSize", "logFrames", "logOctets", "maskServerFrames"),
    *("send_queue", "state", "STATE_OPEN", "trackedTimings", "trafficStats", "transport"),
)
STATS_PARTS = (
    *("outgoingOctetsAppLevel", "outgoingOctetsWebSocketLevel", "outgoingOctetsWireLevel"),
    *("outgoingWebSocketFrames", "outgoingWebSocketMessages"),
)

#: What holding a client back needs.
GATE_PARTS = (
    *("autoPingTimeout", "autoPingTimeoutCall", "dataReceived", "factory"),
    *("maxMessagePayloadSize", "state", "STATE_CONNECTING", "transport"),
)


def missing_send_parts(protocol: Any) -> list[str]:
    """Return what :func:`close_open` and :func:`send_unlike` need and *protocol* does not have."""
    return [f"protocol.{name}" for name in parts.missing(protocol, SEND_PARTS)]


def missing_direct_parts(protocol: Any) -> list[str]:
    """Return what :func:`takes_whole` and :func:`count` need and *protocol* does not have."""
    stats = getattr(protocol, "trafficStats", None)
    missing = [f"protocol.{name}" for name in parts.missing(protocol, DIRECT_PARTS)]
    return missing + [f"trafficStats.{name}" for name in parts.missing(stats, STATS_PARTS)]


def takes_whole(protocol: Any) -> bool:
    """Say whether its `sendMessage` would only encode a frame, write it, and count it."""
    return bool(
        protocol.state == protocol.STATE_OPEN
        and protocol._perMessageCompress is None
        and not protocol.autoFragmentSize
        and not protocol.maskServerFrames
        and not protocol.send_queue
        and not protocol.logFrames
        and not protocol.logOctets
        and protocol.trackedTimings is None
        and protocol.transport is not None
    )


def count(protocol: Any, length: int, size: int) -> None:
    """Count a frame with a payload of *length* bytes, *size* bytes with its header."""
    stats = protocol.trafficStats
    stats.outgoingWebSocketMessages += 1
    stats.outgoingWebSocketFrames += 1
    stats.outgoingOctetsAppLevel += length
    stats.outgoingOctetsWebSocketLevel += length
    stats.outgoingOctetsWireLevel += size


def close_open(protocol: Any, event: Event) -> bool:
    """Close a socket with the reason of *event*; False if it is not open."""
    if protocol.state != protocol.STATE_OPEN:
        return False
    protocol.closeHandshakeTimeout = CLOSE_HANDSHAKE_TIMEOUT
    protocol.sendClose(event["code"], event.get("reason"))
    return True


def send_unlike(protocol: Any, event: Event, length: int) -> bool:
    """Send a frame that Daphne's own `send` drops; False if the socket is not open.

    It drops empty frames, and those that are larger than what its clients may send.
    """
    if protocol.state != protocol.STATE_OPEN:
        return False
    text, limit = event.get("text"), protocol.maxMessagePayloadSize
    if length and not 0 < limit < length:
        return False
    protocol.maxMessagePayloadSize = 0
    try:
        protocol.sendMessage(event["bytes"] if text is None else text.encode(), text is None)
    finally:
        protocol.maxMessagePayloadSize = limit
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
