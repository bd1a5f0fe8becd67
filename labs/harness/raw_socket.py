"""A WebSocket client that builds frames by hand, for behaviour that libraries do not allow."""

import os
import select
import socket
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A client's frame, with a mask of zeros."""
    first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    if len(payload) < 126:
        head = struct.pack("!BB", first, 0x80 | len(payload))
    elif len(payload) < 2**16:
        head = struct.pack("!BBH", first, 0x80 | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(payload))
    return head + bytes(4) + payload


def deflated(payload: bytes) -> bytes:
    """A text frame, compressed as in permessage-deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    packed = packer.compress(payload) + packer.flush(zlib.Z_FULL_FLUSH)
    return frame(packed[:-4], rsv1=True)


def handshake(port: int, path: str, **headers: str) -> bytes:
    """A client's handshake request. `X_Name` is the header X-Name."""
    lines = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")


class RawSocket:
    """A socket of a local server. `answer` is the response to its handshake.

    A *deaf* one has a small receive buffer, so that the server soon notices unread data.
    """

    def __init__(
        self,
        port: int,
        path: str = "/",
        *,
        deflate: bool = False,
        deaf: bool = False,
        **headers: str,
    ) -> None:
        self.line = socket.socket()
        if deaf:
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        self.line.settimeout(60)
        self.line.connect(("127.0.0.1", port))
        self._read = b""
        offers = {"Sec_WebSocket_Extensions": "permessage-deflate"} if deflate else {}
        self.line.sendall(handshake(port, path, **offers, **headers))
        while b"\r\n\r\n" not in self._read and (part := self.line.recv(4096)):
            self._read += part
        head_of_answer, _, self._read = self._read.partition(b"\r\n\r\n")
        self.answer = head_of_answer.decode("latin-1")

    @property
    def is_open(self) -> bool:
        """Whether the handshake was accepted."""
        return " 101 " in self.answer.splitlines()[0]

    def send(self, data: bytes) -> None:
        """Send frames, however long it takes."""
        self.line.sendall(data)

    def send_until_held(self, data: bytes, times: int, quiet: float = 1.0) -> int:
        """Send *data* up to *times* times, or until nothing is taken for *quiet* s. How often."""
        self.line.setblocking(False)
        poll = select.poll()  # select knows no descriptor above 1,023
        poll.register(self.line, select.POLLOUT)
        number = 0
        try:
            for number in range(times):
                left = memoryview(data)
                while left:
                    if not poll.poll(quiet * 1000):
                        return number
                    left = left[self.line.send(left) :]
        finally:
            self.line.settimeout(60)
        return number + 1

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Opcode and payload of each incoming frame. CLOSE and b"" when the connection is cut."""
        while True:
            yield self._next()

    def _next(self) -> tuple[int, bytes]:
        try:
            opcode = self._take(1)[0] & 15
            size = self._take(1)[0]
            if size == 126:
                (size,) = struct.unpack("!H", self._take(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._take(8))
            return opcode, self._take(size)
        except ConnectionError:
            return CLOSE, b""

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            part = self.line.recv(2**18)
            if not part:
                raise ConnectionResetError
            self._read += part
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def until_cut(self) -> list[int]:
        """Read until the connection ends. Returns the received close codes."""
        codes: list[int] = []
        for opcode, payload in self.frames():
            if opcode == CLOSE and not payload:
                return codes
            if opcode == CLOSE:
                codes.append(int.from_bytes(payload[:2]))
                with suppress(OSError):
                    self.send(frame(payload[:2], CLOSE))
        raise AssertionError("frames() does not end")

    def close(self) -> None:
        """Disconnect without a close frame."""
        self.line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
