"""What the protocol of a request by workers wants done: towards its client, and in the layer."""

from __future__ import annotations

from typing import NamedTuple

from channels_workers.interface.actions import Close, Publish
from channels_workers.interface.types import Event
from channels_workers.layers.codec import Content


class Respond(NamedTuple):
    """Send *event* to the client; its body has *length* bytes.

    If its consumer waits for it, *taken* is the offset to tell it then; or before, if the whole
    response *is_finished*.
    """

    event: Event
    length: int = 0
    taken: int | None = None
    is_finished: bool = False


class Refuse(NamedTuple):
    """Answer *status* instead of a worker."""

    status: int
    text: bytes = b""
    retry_after: bytes = b""


class Cut(NamedTuple):
    """Cut the connection, so that the client sees that its response is not complete."""


class Tell(NamedTuple):
    """Tell *content* to the consumer that runs."""

    content: Content


class TellBody(NamedTuple):
    """Tell it the body from *offset* on, *size* bytes or what there is."""

    offset: int
    size: int


class Withdraw(NamedTuple):
    """Take the request back from the layer, if no worker has it.

    See :meth:`~channels_workers.interface.http.request_protocol.RequestProtocol.withdrawn`.
    """


#: Towards the client, and all of them.
ClientStep = Respond | Refuse | Cut
Step = ClientStep | Tell | TellBody | Withdraw | Publish | Close

Steps = list[Step]
