"""The ids of virtual sockets: who has one may read and write that socket.

An id names the server that holds the socket, so that another server can ask that one. It is signed:
no client can have messages sent to channels of its choice. It holds for one path alone, because
proxies may guard paths.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from django.core.signing import BadSignature, Signer

SALT = "channels_workers.transports"


class SocketId(NamedTuple):
    """A virtual socket: the channel of its *home*, "" if that is in no layer, and its *key*."""

    home: str
    key: str


def new_key() -> str:
    """Return an unguessable key: 144 random bits."""
    return secrets.token_urlsafe(18)


def to_text(socket: SocketId, path: str) -> str:
    """Return the id that the client of *path* gets."""
    return _signer(path).sign(f"{socket.home}/{socket.key}")


def of_text(text: str, path: str) -> SocketId | None:
    """Return what the id *text* names; None if this site has not made it for *path*."""
    try:
        home, _, key = _signer(path).unsign(text).partition("/")
    except BadSignature:
        return None
    return SocketId(home, key)


def _signer(path: str) -> Signer:
    return Signer(salt=f"{SALT}:{path}")
