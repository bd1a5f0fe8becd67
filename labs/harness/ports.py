"""Ports of this machine."""

import secrets
import socket
from contextlib import suppress

#: Above the last that browsers refuse to open (10080), below those that Linux gives to connections
#: of clients (ip_local_port_range).
PORTS = range(10_081, 32_768)


def free_port() -> int:
    """A TCP port that nothing listens on, and that no client's connection takes meanwhile."""
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something takes connections on `port` of `host`."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
