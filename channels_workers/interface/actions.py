"""What the protocol of a socket wants done: towards its client, and in the layer."""

from __future__ import annotations

from typing import NamedTuple

from channels_workers.interface.types import Event
from channels_workers.layers.codec import Content


class Accept(NamedTuple):
    """Accept the handshake."""

    event: Event
    length: int = 0


class SendFrame(NamedTuple):
    """Send a frame to the client; *length* counts its characters or bytes."""

    event: Event
    length: int


class CloseSocket(NamedTuple):
    """Close the socket towards the client, or refuse its handshake."""

    event: Event
    length: int = 0


class Publish(NamedTuple):
    """Put *content* into *channel* as the message *order* of the connection.

    For traces, a frame that had to wait was *received_at* (ns since 1970).
    """

    channel: str
    order: int
    content: Content
    received_at: int = 0


class Close(NamedTuple):
    """End the connection in the layer."""

    code: int


class MakeRoom(NamedTuple):
    """Drop frames until those of all sockets fit into their limit; then go on.

    See :meth:`~channels_workers.interface.protocol.WebSocketProtocol.proceed`.
    """


#: Towards the client, and all of them.
ClientAction = Accept | SendFrame | CloseSocket
Action = ClientAction | Publish | Close | MakeRoom

ClientActions = list[ClientAction]
Actions = list[Action]
