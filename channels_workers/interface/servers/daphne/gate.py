"""The gate of a client of Daphne."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne import autobahn, twisted
from channels_workers.interface.servers.gate import FRAGMENTS, Gate
from channels_workers.interface.types import Event, Receive

#: What the gate needs of Daphne's protocol, beside the parts of autobahn's.
PARTS = ("application_queue", *autobahn.GATE_PARTS)


def missing_parts(send: Any) -> list[str]:
    """Return what a :class:`DaphneGate` needs and this Daphne does not have."""
    protocol = send.args[0]
    missing = [f"protocol.{name}" for name in parts.missing(protocol, PARTS)]
    transport = getattr(protocol, "transport", None)
    if transport is not None:
        names = parts.missing(transport, twisted.GATE_PARTS)
        missing += [f"transport.{name}" for name in names]
    return missing


class DaphneGate(Gate):
    """The gate of a client of Daphne: it stands where Twisted hands on what it has read."""

    __slots__ = ("_hand_over", "_protocol", "_transport")

    can_hold = True

    def __init__(
        self,
        send: Any,
        message_size: int,
        heard: Callable[[], object],
        broken: Callable[[], object],
    ) -> None:
        super().__init__(heard, broken)
        self._protocol: Any = send.args[0]
        self._transport: Any = self._protocol.transport
        self._hand_over: Any = self._protocol.dataReceived
        self._protocol.dataReceived = self.take
        autobahn.bound_messages(self._protocol, message_size)

    def descriptor(self) -> int:
        """Return the file descriptor of the connection; -1 if it has none."""
        handle = self._transport.getHandle() if self._transport is not None else None
        return int(handle.fileno()) if handle is not None else -1

    def hand_frames_to(self, take: Callable[[Event], object], receive: Receive) -> None:
        """Hand each frame to *take* at once, if *receive* is Daphne's own."""
        queue: Any = self._protocol.application_queue
        if not parts.is_method_of(queue, receive):
            return
        put = queue.put_nowait

        def hand_on(event: Event) -> None:
            if event["type"] == "websocket.receive" and queue.empty():
                take(event)
            else:
                put(event)

        queue.put_nowait = hand_on

    def unsent(self) -> int:
        """Return how many bytes were written that the client has not read."""
        return twisted.unsent_bytes(self._transport)

    def end(self) -> None:
        """Forget the connection, which has ended: Python frees it sooner without circles."""
        self.shut()
        if self._protocol is not None:
            self._protocol.__dict__.pop("dataReceived", None)
            vars(self._protocol.application_queue).pop("put_nowait", None)
        self._protocol = self._transport = self._hand_over = None

    def _fragments(self) -> int:
        return autobahn.fragments(self._protocol)

    def _look(self) -> None:
        # For each frame: without calls, but for what is seldom so.
        if twisted.unsent_bytes(self._transport):
            self._heard()
        if getattr(self._protocol, "message_data", None) and self._fragments() > FRAGMENTS:
            self._broken()

    def _is_busy(self) -> bool:
        return not self._protocol.application_queue.empty()

    def _hand_on(self, data: bytes) -> None:
        self._hand_over(data)

    def _stop_reading(self) -> None:
        if self._transport is not None:
            self._transport.pauseProducing()

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resumeProducing()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abortConnection()

    def _expect_pongs(self, is_expected: bool) -> None:
        # Daphne goes on to send pings, which keeps proxies content.
        if self._protocol is not None:
            autobahn.expect_pongs(self._protocol, is_expected)
