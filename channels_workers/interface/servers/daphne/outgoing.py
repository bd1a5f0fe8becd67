"""Frames for one client of Daphne, whose `send` never waits."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels_workers.interface.actions import ClientAction, CloseSocket, SendFrame
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.outgoing import Outgoing
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne import autobahn, twisted
from channels_workers.interface.servers.daphne.server import protocol_behind
from channels_workers.logs import fields

#: Daphne logs each frame here, at DEBUG.
daphne_logger = logging.getLogger("daphne.ws_protocol")

MISSING = (
    "This Daphne, or its autobahn or Twisted, has no %s. It encodes a frame for a group once for "
    "each socket, which is slower. Use a version that channels_workers was tested with"
)


class Turn:
    """Which transports have written in this turn of the event loop.

    Later frames for them go out together, in the next turn of Twisted's reactor.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._written: set[Any] = set()

    def is_first_of(self, transport: Any) -> bool:
        """Say whether *transport* has written nothing in this turn; now it will."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._written = loop, set()
        if transport in self._written:
            return False
        if not self._written:
            loop.call_soon(self._written.clear)
        self._written.add(transport)
        return True


turn = Turn()


class DaphneOutgoing(Outgoing):
    """The events on their way to one client of Daphne, whose `send` never waits."""

    __slots__ = ("_is_direct", "_protocol")

    def _attach(self) -> None:
        self._protocol: Any = protocol_behind(self.send)
        self._is_direct = _can_be_direct(self._protocol)

    def put_shared(self, shared: SharedFrame) -> None:
        """Write the bytes of a frame to the transport, if Daphne's `send` would do nothing else."""
        protocol = self._protocol
        if not self._is_direct or self.writer is not None or not autobahn.takes_whole(protocol):
            self.put(shared.frame)
            return
        wire, transport = shared.wire or shared.encode(), protocol.transport
        if not twisted.unsent_bytes(transport) and turn.is_first_of(transport):
            twisted.write_past(transport, wire)
        else:
            transport.write(wire)
        autobahn.count(protocol, shared.length, len(wire))
        self._count(shared.length)
        if twisted.unsent_bytes(transport):
            self.look()

    def put(self, action: ClientAction) -> None:
        """Send the event of *action* at once: a broadcast needs no task for each socket."""
        if self.writer is not None:  # `send` waited, which it never did
            super().put(action)
            return
        transport = getattr(self._protocol, "transport", None)
        is_behind = transport is not None and twisted.unsent_bytes(transport) > 0
        if not self._goes_round(action):
            self._begin(action)
        if transport is None:
            return
        if not is_behind and turn.is_first_of(transport):
            unsent = twisted.write_now(transport)
        else:
            unsent = twisted.unsent_bytes(transport)
        if unsent:
            self.look()

    def _goes_round(self, action: ClientAction) -> bool:
        """Do what Daphne's own `send` does not: reasons of a close, empty and large frames."""
        match action:
            case CloseSocket():
                return autobahn.close_open(self._protocol, action.event)
            case SendFrame(event, length):
                if autobahn.send_unlike(self._protocol, event, length):
                    self._count(length)
                    return True
        return False

    def unsent(self) -> int:
        """Return how many bytes Twisted keeps for the client, beside those that wait here."""
        return self._size + twisted.unsent_bytes(getattr(self._protocol, "transport", None))

    def cut(self) -> None:
        """Drop the connection, with all that waits for the client behind it."""
        super().cut()
        transport = getattr(self._protocol, "transport", None)
        if transport is not None:
            transport.abortConnection()


def _can_be_direct(protocol: Any) -> bool:
    """Say whether frames may go past Daphne's `send`, which logs them if that is wanted."""
    missing = autobahn.missing_direct_parts(protocol)
    missing += twisted.missing_direct_parts(getattr(protocol, "transport", None))
    if missing:
        parts.report(MISSING, ", ".join(missing), extra=fields("feature_missing"))
    return not missing and not daphne_logger.isEnabledFor(logging.DEBUG)
