"""New connections of Daphne take their turn before they are read."""

from __future__ import annotations

from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne import twisted
from channels_workers.interface.servers.reception import EACH_TURN, reception


class HeldArrival:
    """A protocol of Twisted whose connection has just come."""

    transport: Any

    def arrive(self) -> None:
        """Read nothing before it is its turn, if Twisted has the parts for this."""
        if not parts.missing(self.transport, twisted.READING_PARTS):
            reception.arrive(self)

    def hold_arrival(self) -> None:
        """Read nothing of a client that has just come."""
        self.transport.pauseProducing()
        twisted.accept_few(self.transport, EACH_TURN)

    def let_in(self) -> None:
        """Read it, if it is still there."""
        if self.transport is not None and not getattr(self.transport, "disconnecting", False):
            self.transport.resumeProducing()
            twisted.accept_few(self.transport, EACH_TURN)
