"""New connections of Daphne: a handshake goes to its WebSocket protocol past Twisted's HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper

from channels_workers.conf import configuration
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne.arrivals import HeldArrival
from channels_workers.interface.servers.reception import HeldHandshake, hold
from channels_workers.interface.servers.upgrades import Upgrade, read_upgrade

#: What is needed of the factory of connections, and of Daphne's server.
FACTORY_PARTS = ("reactor", "server")
SERVER_PARTS = ("ws_factory",)

#: The answer to a client that does not wait for the answer to its handshake.
TOO_EARLY = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def can_enter(factory: Any) -> bool:
    """Say whether connections of *factory* can begin as an :class:`Entry`."""
    missing = parts.missing(factory, FACTORY_PARTS)
    return not missing and not parts.missing(factory.server, SERVER_PARTS)


class Entry(HeldArrival, Protocol):
    """A connection before its first data, which tell what it is.

    *make* makes Twisted's protocol of HTTP for all that is no plain handshake.
    """

    def __init__(self, factory: Any, make: Callable[[], Any]) -> None:
        self._factory = factory
        self._make = make
        self._deadline: Any = None
        self._began = 0.0
        self._held: HeldHandshake | None = None

    def connectionMade(self) -> None:  # noqa: N802  (as Twisted names it)
        """Wait for the first data."""
        self.arrive()

    def expect_head(self) -> None:
        """Begin the time for the first head."""
        reactor = self._factory.reactor
        self._began = reactor.seconds()
        self._deadline = reactor.callLater(configuration().REQUEST_HEAD_TIMEOUT, self._late)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Hand the connection on, a handshake when it is its turn."""
        self._stop()
        if self._held is not None:  # a client has to wait for the answer to its handshake
            self._held.drop()
            self.transport.write(TOO_EARLY)
            self.transport.loseConnection()
            return
        self._held = hold(data, self._take, self.transport.abortConnection)
        if self._held is None:
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._held = None
        upgrade = read_upgrade(data)
        if upgrade is None or not self._upgraded(upgrade):
            self._hand_over().dataReceived(data)

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        """Stop the time-out."""
        self._stop()
        if self._held is not None:
            self._held.drop()

    def _stop(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def _late(self) -> None:
        http = self._hand_over()
        getattr(http, "_channel", http).timeoutConnection()

    def _hand_over(self) -> Any:
        """Let a new protocol of HTTP have the connection, and return it."""
        transport: Any = self.transport
        http = self._make()
        channel = getattr(http, "_channel", http)
        channel.waited = self._factory.reactor.seconds() - self._began
        _give(transport, http)
        http.makeConnection(transport)
        return http

    def _upgraded(self, upgrade: Upgrade) -> bool:
        """Let a WebSocket protocol have the connection, as Daphne's request does."""
        transport: Any = self.transport
        if getattr(transport, "negotiatedProtocol", None) not in (None, b"http/1.1"):
            return False
        protocol = self._factory.server.ws_factory.buildProtocol(transport.getPeer())
        if not protocol:
            return False
        protocol._raw_query_string = upgrade.target.partition(b"?")[2]
        _give(transport, protocol)
        protocol.makeConnection(transport)
        protocol.dataReceived(upgrade.head)
        return True


def _give(transport: Any, protocol: Any) -> None:
    if isinstance(transport, ProtocolWrapper):  # of TLS
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
