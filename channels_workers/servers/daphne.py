"""What is known of Daphne's private parts, and of Twisted's and autobahn's behind them.

Daphne's `send` is a partial of ``Server.handle_reply`` and of the socket's protocol.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

#: How long a client of Daphne may take to answer our close frame, before its line is reset (s): as
#: under uvicorn. Autobahn's own second is too short for one that is slow, or far away: a reset can
#: take the frame, and what was sent before it, away from who has not read it yet.
CLOSE_HANDSHAKE_TIMEOUT = 10.0


def when_running(function: Callable[[], object]) -> None:
    """Have *function* called in the event loop of Daphne once it runs, if it ever does.

    Daphne tells an application of nothing before its first client. It has Twisted's reactor
    installed before it imports the application.
    """
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None:
        reactor.callWhenRunning(reactor.callFromThread, function)


def is_of_daphne(send: Any) -> bool:
    """Say whether *send* is Daphne's own."""
    owner = getattr(getattr(send, "func", None), "__self__", None)
    return type(owner).__module__ == "daphne.server"


def transport_behind(send: Any) -> Any:
    """Return the transport that Daphne's *send* writes to; None if the line is down."""
    return getattr(send.args[0], "transport", None)


def close_open(send: Any, event: dict[str, Any]) -> bool:
    """Close a socket of Daphne, whose own `send` drops the reason; False if it is not open."""
    protocol = send.args[0]
    if protocol.state != protocol.STATE_OPEN:
        return False
    protocol.closeHandshakeTimeout = CLOSE_HANDSHAKE_TIMEOUT
    protocol.sendClose(event["code"], event.get("reason"))
    return True


def unsent_bytes(transport: Any) -> int:
    """Return how much a transport of Twisted holds that its peer has not read."""
    buffered = getattr(transport, "dataBuffer", b"")
    later = getattr(transport, "_tempDataLen", 0)
    return len(buffered) - getattr(transport, "offset", 0) + int(later)


def write_now(transport: Any) -> None:
    """Let a TCP transport of Twisted write what it holds, not only in its reactor's next turn.

    What goes wrong, or ends, is met there again.
    """
    if not (hasattr(transport, "doWrite") and transport.connected and unsent_bytes(transport)):
        return
    if transport.doWrite() is not None:
        transport.startWriting()
