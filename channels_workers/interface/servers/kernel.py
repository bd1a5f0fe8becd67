"""The send queue of a TCP connection in the kernel, which server programs do not expose."""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import Any


def unread_bytes(socket: Any) -> int:
    """Return how many bytes of a TCP *socket* its peer has not acknowledged; 0 if unknown.

    A kernel accepts some MiB at once, and more only when a good part of it has gone. So this is the
    only way to notice a client that reads slowly.
    """
    try:
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])
