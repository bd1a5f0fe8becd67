"""What the kernel holds of a line, which server programs do not tell."""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import Any


def unread_bytes(socket: Any) -> int:
    """Return how many bytes of a TCP *socket* its peer has not acknowledged; 0 if nobody knows.

    A kernel takes some MiB at once, and lets more follow only when a good part of it has gone. So
    a client that reads slowly does not show otherwise.
    """
    try:
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])
