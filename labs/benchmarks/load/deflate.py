"""A client of a room that reads compressed frames, as browsers do (RFC 7692). Its own are not."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import ClassVar

from picows import WSFrame, WSTransport

from labs.benchmarks.load.client import Client, Hear, Members

#: How a message ends that is flushed, which compressed frames leave out (RFC 7692, 7.2.1).
TAIL = b"\x00\x00\xff\xff"


class DeflateClient(Client):
    """Holds one socket, and offers permessage-deflate with what Chromium offers beside it."""

    headers: ClassVar[Mapping[str, str]] = {
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"
    }

    def __init__(self, number: int, room: Members, hear: Hear) -> None:
        super().__init__(number, room, hear)
        self.hear_text = hear
        self._decompressor = zlib.decompressobj(wbits=-zlib.MAX_WBITS)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass the text of a compressed frame on, and others as usual."""
        if not frame.rsv1:
            super().on_ws_frame(transport, frame)
        elif not frame.fin:
            raise ValueError("Expected a compressed message in one frame, got its first fragment")
        else:
            data = self._decompressor.decompress(frame.get_payload_as_bytes() + TAIL)
            self.hear_text(self, data.decode())
