"""A frame for all members of a group: encoded once, whatever number of them gets it."""

from __future__ import annotations

from dataclasses import dataclass

from channels_workers.interface.actions import SendFrame
from channels_workers.interface.types import Event

#: The first byte of a text and of a binary frame that is a whole message (RFC 6455, 5.2).
TEXT, BINARY = 0x81, 0x82


@dataclass(slots=True)
class SharedFrame:
    """A frame as an action and, once a server wants it, as the bytes that go to its transport.

    Servers do not mask, so the bytes are the same for each client without compression. They are not
    part of the action, which buffers keep.
    """

    frame: SendFrame
    length: int
    #: The bytes, b"" until :meth:`encode` has made them.
    wire: bytes = b""

    def encode(self) -> bytes:
        """Return header and payload in one piece, and keep them."""
        wire = self.wire = encoded(self.frame.event)
        return wire


def encoded(event: Event) -> bytes:
    """Return the whole frame of a ``websocket.send`` event as it goes to a client."""
    text: str | None = event.get("text")
    payload: bytes = event["bytes"] if text is None else text.encode()
    return header(BINARY if text is None else TEXT, len(payload)) + payload


def header(first: int, length: int) -> bytes:
    """Return the header of a frame without a mask."""
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return bytes((first, 126)) + length.to_bytes(2)
    return bytes((first, 127)) + length.to_bytes(8)
