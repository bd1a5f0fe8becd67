"""What is known of Daphne's private parts, and of Twisted's and autobahn's behind them.

Daphne's `send` is a partial of ``Server.handle_reply`` and of the socket's protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from channels_workers.logs import fold_client_lines
from channels_workers.servers.gate import Gate

#: How long a client of Daphne may take to answer our close frame, before its line is reset (s): as
#: under uvicorn. Autobahn's own second is too short for one that is slow, or far away: a reset can
#: take the frame, and what was sent before it, away from who has not read it yet.
CLOSE_HANDSHAKE_TIMEOUT = 10.0


def fold_lines() -> None:
    """Let the log say once what clients cause again: a stack trace for each odd handshake."""
    fold_client_lines("daphne.ws_protocol", ("Traceback (most recent call last)",))


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


def send_empty(send: Any, *, is_binary: bool) -> bool:
    """Send an empty frame, which Daphne's own `send` drops; False if the socket is not open."""
    protocol = send.args[0]
    if getattr(protocol, "state", None) != getattr(protocol, "STATE_OPEN", ""):
        return False
    protocol.sendMessage(b"", is_binary)
    return True


#: What the gate needs of Daphne's protocol, and of Twisted's transport.
PROTOCOL_PARTS = (
    *("application_queue", "autoPingTimeout", "autoPingTimeoutCall", "dataReceived"),
    *("maxMessagePayloadSize", "state", "STATE_CONNECTING", "transport"),
)
TRANSPORT_PARTS = ("getHandle", "pauseProducing", "resumeProducing")


def missing_parts(send: Any) -> list[str]:
    """Return what a :class:`DaphneGate` needs and this Daphne has not."""
    protocol = send.args[0]
    missing = [f"protocol.{name}" for name in PROTOCOL_PARTS if not hasattr(protocol, name)]
    transport = getattr(protocol, "transport", None)
    if transport is not None:
        missing += [f"transport.{name}" for name in TRANSPORT_PARTS if not hasattr(transport, name)]
    return missing


class DaphneGate(Gate):
    """The gate of a line of Daphne: it stands where Twisted hands on what it has read."""

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
        limit = self._protocol.maxMessagePayloadSize
        self._protocol.maxMessagePayloadSize = min(limit, message_size) if limit else message_size

    def descriptor(self) -> int:
        """Return the number of the file of the line; -1 if it has none."""
        handle = self._transport.getHandle() if self._transport is not None else None
        return int(handle.fileno()) if handle is not None else -1

    def unsent(self) -> int:
        """Return how many bytes were written that the client has not read."""
        return unsent_bytes(self._transport)

    def end(self) -> None:
        """Forget the line, which has ended: Python frees it sooner without circles."""
        self.shut()
        if self._protocol is not None:
            self._protocol.__dict__.pop("dataReceived", None)
        self._protocol = self._transport = self._hand_over = None

    def _fragments(self) -> int:
        return len(getattr(self._protocol, "message_data", None) or ())

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
        protocol = self._protocol
        if protocol is None:
            return
        protocol.autoPingTimeout = protocol.factory.autoPingTimeout if is_expected else 0
        if not is_expected and protocol.autoPingTimeoutCall:
            protocol.autoPingTimeoutCall.cancel()
            protocol.autoPingTimeoutCall = None
