"""A frame for all members of a group: encoded once, whatever number of them gets it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from channels_workers.interface.actions import SendFrame
from channels_workers.interface.types import Event

#: The first byte of a text and of a binary frame that is a whole message (RFC 6455, 5.2).
TEXT, BINARY = 0x81, 0x82

#: What the first byte of a compressed frame has beside (RFC 7692, 6).
COMPRESSED = 0x40

#: Frames of groups are compressed from this length on (bytes). Below it, what a frame saves
#: without the frames before it is not worth the time.
COMPRESSED_FROM = 256

#: The window of compressed frames, in bits: what uvicorn offers by default. Clients with a larger
#: one can read them, too; those with a smaller one get them as they are.
WINDOW_BITS = 12

#: How much memory a compressor takes: 32 KiB, as those of uvicorn. With zlib's default of 8 it is
#: 144 KiB, made anew for each frame, which takes longer than to compress most of them.
MEMORY_LEVEL = 5

#: How a message ends that is flushed, which compressed frames leave out (RFC 7692, 7.2.1).
TAIL = b"\x00\x00\xff\xff"


@dataclass(slots=True)
class SharedFrame:
    """A frame as an action and, once a server wants it, as the bytes that go to its transport.

    Servers do not mask, so the bytes are the same for each client without compression. A client
    that agreed to permessage-deflate gets a frame *to_group* as it is, or compressed without
    looking back at earlier frames, which is the same for all, too. Other frames are better left to
    its server, which does look back. The bytes are not part of the action, which buffers keep.
    """

    frame: SendFrame
    length: int
    to_group: bool = False
    #: The bytes, b"" until :meth:`encode` has made them.
    wire: bytes = b""
    #: The bytes for clients that read compressed frames, b"" until :meth:`deflate` has made them.
    deflated: bytes = b""

    def encode(self) -> bytes:
        """Return header and payload in one piece, and keep them."""
        wire = self.wire = encoded(self.frame.event)
        return wire

    def deflate(self) -> bytes:
        """Return what :meth:`encode` does, compressed if that is shorter, and keep it."""
        wire = self.wire or self.encode()
        if self.length >= COMPRESSED_FROM:
            compressor = zlib.compressobj(wbits=-WINDOW_BITS, memLevel=MEMORY_LEVEL)
            data = compressor.compress(wire[-self.length :])
            data = (data + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)
            if len(data) < self.length:
                wire = header(wire[0] | COMPRESSED, len(data)) + data
        self.deflated = wire
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
