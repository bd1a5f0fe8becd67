"""Ports of this machine."""

import secrets
import socket
from contextlib import suppress

#: Browsers block ports up to 10080. Linux gives those from 32768 to outgoing connections
#: (ip_local_port_range).
PORTS = range(10_081, 32_768)


def free_port() -> int:
    """A free TCP port that no outgoing connection can occupy meanwhile."""
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether `port` of `host` accepts connections."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
