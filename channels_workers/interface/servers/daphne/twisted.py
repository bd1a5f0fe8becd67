"""Twisted's transports: what they hold, and writing at once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

from channels_workers.interface.servers import parts

#: Parts of a TCP transport that tell what it holds, and write it.
TCP_PARTS = ("connected", "dataBuffer", "doWrite", "offset", "startWriting", "_tempDataLen")

#: Parts that it needs, too, so that data can go past its buffer.
DIRECT_PARTS = ("_writeDisconnecting", "_writeDisconnected", "disconnecting", "writeSomeData")

#: Parts that a transport needs so that its client can be held back.
GATE_PARTS = ("abortConnection", "getHandle", "pauseProducing", "resumeProducing")

#: Parts that a transport needs so that a new client can wait.
READING_PARTS = ("pauseProducing", "resumeProducing")

#: New connections that the kernel keeps for Daphne, as for uvicorn. Twisted's 50 are too few for
#: clients that all come back at once: the kernel would drop what they send, and they would try
#: again after 1, 3, 7 and 15 s.
BACKLOG = 2048

#: What shows warnings of Python before Daphne runs.
shows_warnings = warnings.showwarning

#: Where transports of TLS stand, which have no such parts, and no need of them here.
TLS = "twisted.protocols.tls"


def when_running(function: Callable[[], object]) -> None:
    """Have *function* called in the event loop of Daphne once it runs, if it ever does.

    Daphne tells an application of nothing before its first client. It has Twisted's reactor
    installed before it imports the application.
    """
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None:
        reactor.callWhenRunning(reactor.callFromThread, function)


def widen_backlogs() -> None:
    """Let the kernel keep more new connections for the ports of Daphne."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    for reader in reactor.getReaders() if hasattr(reactor, "getReaders") else ():
        listen = getattr(getattr(reader, "socket", None), "listen", None)
        if getattr(reader, "backlog", BACKLOG) < BACKLOG and listen is not None:
            listen(BACKLOG)


def accept_few(transport: Any, count: int) -> None:
    """Let the port of *transport* accept few more in its next turn; Twisted adapts that again."""
    port: Any = getattr(transport, "server", None)
    if hasattr(port, "numberAccepts"):
        port.numberAccepts = count


def show_warnings() -> None:
    """Have Python show warnings again: Daphne drops Twisted's log, which takes them.

    One of them tells of a coroutine that nobody awaited. Somebody else's hook stays.
    """
    owner = getattr(warnings.showwarning, "__self__", None)
    if type(owner).__module__ == "twisted.logger._global":
        warnings.showwarning = shows_warnings


def missing_tcp_parts(transport: Any) -> list[str]:
    """Return what :func:`unsent_bytes` and :func:`write_now` need and *transport* does not have."""
    if transport is None or type(transport).__module__ == TLS:
        return []
    return [f"transport.{name}" for name in parts.missing(transport, TCP_PARTS)]


def missing_direct_parts(transport: Any) -> list[str]:
    """Return what :func:`write_past` needs and *transport* does not have."""
    if transport is None or type(transport).__module__ == TLS:
        return []
    return [f"transport.{name}" for name in parts.missing(transport, DIRECT_PARTS)]


def unsent_bytes(transport: Any) -> int:
    """Return how much a transport holds that its peer has not read."""
    buffered = getattr(transport, "dataBuffer", b"")
    later = getattr(transport, "_tempDataLen", 0)
    return len(buffered) - getattr(transport, "offset", 0) + int(later)


def write_now(transport: Any) -> int:
    """Let a TCP transport write what it holds, not only in its reactor's next turn.

    Return how much it holds afterwards. Failures and ends are left to the reactor, which meets them
    again.
    """
    if hasattr(transport, "doWrite") and transport.connected:
        has_data = transport.dataBuffer or transport._tempDataLen
        if has_data and transport.doWrite() is not None:
            transport.startWriting()
    return unsent_bytes(transport)


def write_past(transport: Any, data: bytes) -> None:
    """Write *data* at once, and leave to the buffer of a TCP transport only what does not fit.

    So its reactor need not watch for room. It meets failures and ends when it writes the rest.
    """
    # Asked of the class: one of TLS passes on what it does not have, to the socket itself.
    is_plain = hasattr(type(transport), "doWrite") and transport.connected
    if not is_plain or transport.disconnecting or transport._writeDisconnecting:
        transport.write(data)
        write_now(transport)
        return
    written = transport.writeSomeData(data)
    if written != len(data):
        transport.write(data[written:] if isinstance(written, int) and written > 0 else data)
