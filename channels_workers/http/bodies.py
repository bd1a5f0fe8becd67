"""The body of a request as a stream: what is not in its message comes from the server."""

from __future__ import annotations

import io
import time
from typing import Any, BinaryIO

from channels_workers.exceptions import RequestAborted, RequestTimeout
from channels_workers.flow import WINDOW
from channels_workers.http.mailbox import Mailbox
from channels_workers.message import Message


class BodyStream(io.RawIOBase):
    """The body of the request *message*, read from its server in pieces.

    The layer holds at most WINDOW bytes of it. A read raises
    :class:`~channels_workers.exceptions.RequestAborted` if the client has gone, and
    :class:`~channels_workers.exceptions.RequestTimeout` if nothing comes for *timeout* seconds.
    """

    def __init__(self, message: Message, timeout: float) -> None:
        super().__init__()
        self._piece = memoryview(bytes(message.get("body") or b""))
        self._at = len(self._piece)  # the offset of what is read next from the server
        self._asked = self._at  # what the server was asked for ends here
        self._size: int = message["body_size"]
        self._timeout = timeout
        self._mailbox = Mailbox(message)
        #: Why the body cannot be read to its end.
        self.failure: RequestAborted | RequestTimeout | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read up to the size of *buffer*, and return the number of bytes, 0 at the end."""
        target = memoryview(buffer).cast("B")
        if not self._piece and self._at < self._size:
            self._fetch()
        count = min(len(target), len(self._piece))
        target[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _fetch(self) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            self._piece = memoryview(self._next_piece())
        except (RequestAborted, RequestTimeout) as error:
            self.failure = error
            raise
        self._at += len(self._piece)

    def _next_piece(self) -> bytes:
        deadline = time.monotonic() + self._timeout
        if self._at >= self._asked:
            self._ask()
        while time.monotonic() < deadline:
            told = self._mailbox.listen()
            if told is None:
                self._mailbox.check_connected()
                self._ask()
            elif told.get("at") == self._at and told.get("body"):
                return bytes(told["body"])
        raise RequestTimeout(f"Nothing of the body came for {self._timeout:g} s.")

    def _ask(self) -> None:
        self._mailbox.say({"read_body": [self._at, WINDOW]})
        self._asked = min(self._size, self._at + WINDOW)


def body_of(message: Message, timeout: float) -> tuple[BinaryIO, BodyStream | None]:
    """Return the body of *message* to read, and the stream behind it if it is in pieces."""
    if not message.get("body_channel"):
        return io.BytesIO(message.get("body") or b""), None
    stream = BodyStream(message, timeout)
    return io.BufferedReader(stream), stream
