"""Every use of redis-py's private parts, each with a test at import.

:mod:`~channels_workers.layers.redis.pipeline` speaks on the socket of an open connection by itself,
which takes a fraction of the time of redis-py. A release of redis-py without these parts costs that
speed only: the pipelines then use its public methods.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import redis
import redis.asyncio

#: Whether a blocking connection has the socket ``_sock``; it is None before it is opened.
HAS_SOCKET = getattr(cast("Any", redis.Connection)(), "_sock", False) is None

#: Whether a connection of asyncio has the stream writer ``_writer``; None before it is opened.
HAS_TRANSPORT = getattr(cast("Any", redis.asyncio.Connection)(), "_writer", False) is None


def socket_of(connection: Any) -> socket.socket | None:
    """Return the socket of a blocking connection; None if it is closed."""
    return cast("socket.socket | None", connection._sock)


def transport_of(connection: Any) -> asyncio.WriteTransport:
    """Return the transport of an open connection of asyncio."""
    return cast("asyncio.WriteTransport", connection._writer.transport)
