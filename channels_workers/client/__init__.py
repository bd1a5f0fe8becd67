"""A client for Python programs, with asyncio. It needs the extra ``client``, and no Django.

:class:`Connection` is a WebSocket that reconnects by itself, with any server. :class:`Client`
speaks the protocol ``channels-workers.v1`` on one.
"""

try:
    from channels_workers.client.client import Client
except ImportError as error:
    raise ImportError(
        "channels_workers.client needs the package websockets, version 14 or later. Install it: "
        "pip install 'channels-workers[client]'"
    ) from error

from channels_workers.client.connection import Connection
from channels_workers.client.exceptions import (
    ClientError,
    Closed,
    FieldError,
    NotConnected,
    OutboxFull,
    ReadsTooSlowly,
    Refused,
    ReplyLost,
)
from channels_workers.client.frames import Message
from channels_workers.client.options import Options, Token
from channels_workers.client.outbox import Entry, Outbox, new_nonce
from channels_workers.client.state import State
from channels_workers.client.streams import StreamMessages
from channels_workers.client.subscriptions import GroupMessages, Messages

__all__ = [
    "Client",
    "ClientError",
    "Closed",
    "Connection",
    "Entry",
    "FieldError",
    "GroupMessages",
    "Message",
    "Messages",
    "NotConnected",
    "Options",
    "Outbox",
    "OutboxFull",
    "ReadsTooSlowly",
    "Refused",
    "ReplyLost",
    "State",
    "StreamMessages",
    "Token",
    "new_nonce",
]
