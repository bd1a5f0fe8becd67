"""Tokens that resume a connection: its reply channel, signed for handshakes like its own.

They count for one path, one browser session and one origin.

They have the expiry of the socket, if a consumer has set one. Otherwise the connection itself
ends some time after its client is lost.
"""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple

from django.core.signing import BadSignature, Signer

from channels_workers.layers.codec import Content
from channels_workers.session_stores import session_key_of


class Ticket(NamedTuple):
    """What a token is for: a connection, which *expires* then (Unix time, s; 0 for never)."""

    reply_channel: str
    expires: int = 0


def signer_for(handshake: Content) -> Signer:
    """Return the signer of tokens that are valid in handshakes like *handshake*."""
    bound = hashlib.sha256()
    origins = [bytes(value) for name, value in handshake["headers"] if bytes(name) == b"origin"]
    texts = handshake["path"], session_key_of(handshake)
    for part in (*(each.encode("utf-8", "surrogatepass") for each in texts), b" ".join(origins)):
        bound.update(hashlib.sha256(part).digest())
    return Signer(salt=f"channels_workers.resume.{bound.hexdigest()}", sep=".")


def make_token(signer: Signer, ticket: Ticket) -> str:
    """Return the token for *ticket*."""
    return signer.sign(f"{ticket.reply_channel}.{ticket.expires}")


def read_token(signer: Signer, token: str) -> Ticket | None:
    """Return what *token* is for; None if it is forged, expired, or for other handshakes."""
    try:
        reply_channel, _, expires = signer.unsign(token).rpartition(".")
    except BadSignature:
        return None
    ticket = Ticket(reply_channel, int(expires))
    return None if ticket.expires and ticket.expires <= time.time() else ticket
