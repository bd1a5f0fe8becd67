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
    """Send a frame to the client; *length* counts its bytes on the wire."""

    event: Event
    length: int


class CloseSocket(NamedTuple):
    """Close the socket towards the client, or refuse its handshake."""

    event: Event
    length: int = 0


class Publish(NamedTuple):
    """Put *content* into *channel* as the message *order* of the connection.

    *received* is when the frame came (monotonic s); 0 if it is no frame, and without metrics and
    tracing. It may have *waited* behind an earlier one.
    """

    channel: str
    order: int
    content: Content
    received: float = 0.0
    waited: bool = False


class Close(NamedTuple):
    """End the connection in the layer."""

    code: int


class ExpireAt(NamedTuple):
    """Call :meth:`~channels_workers.interface.protocol.WebSocketProtocol.expire` at a Unix time."""

    time: float


class MakeRoom(NamedTuple):
    """Drop frames until those of all sockets fit into their limit; then go on.

    See :meth:`~channels_workers.interface.protocol.WebSocketProtocol.proceed`.
    """


#: Towards the client, and all of them.
ClientAction = Accept | SendFrame | CloseSocket
Action = ClientAction | Publish | Close | ExpireAt | MakeRoom

ClientActions = list[ClientAction]
Actions = list[Action]
