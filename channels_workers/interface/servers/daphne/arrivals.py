"""New connections of Daphne take their turn before they are read."""

from __future__ import annotations

from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne import twisted
from channels_workers.interface.servers.reception import CONNECTIONS, connections


class HeldArrival:
    """A protocol of Twisted whose connection has just come."""

    transport: Any

    def arrive(self) -> None:
        """Read nothing before it is its turn, if Twisted has the parts for this."""
        if parts.missing(self.transport, twisted.READING_PARTS) or connections.arrive(self):
            self.expect_head()

    def expect_head(self) -> None:
        """Begin the time for the first head."""
        raise NotImplementedError

    def hold_arrival(self) -> None:
        """Read nothing of a client that has just come."""
        self.transport.pauseProducing()
        twisted.accept_few(self.transport, CONNECTIONS)

    def let_in(self) -> bool:
        """Read it, if it is still there. The time for its head begins now."""
        transport = self.transport
        is_there = getattr(transport, "connected", transport is not None)
        is_there = is_there and not getattr(transport, "disconnecting", False)
        if is_there:
            transport.resumeProducing()
            twisted.accept_few(transport, CONNECTIONS)
            self.expect_head()
        return bool(is_there)
