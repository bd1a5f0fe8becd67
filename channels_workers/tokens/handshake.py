"""Where the token of a handshake is, and which client brings it."""

from __future__ import annotations

from channels_workers.bearer import wire
from channels_workers.bearer.configuration import token_settings
from channels_workers.interface.client_address import network_of, readable
from channels_workers.message import Message


def tokens_of(message: Message) -> list[str]:
    """Return the tokens that came with *message*, a ``websocket.connect``; "" is an invalid one.

    One is in ``message["token"]``: the interface server has taken it from the subprotocols, or from
    the first frame. Others are in headers.
    """
    taken = message.get("token")
    found = [taken] if isinstance(taken, str) else []
    return found + wire.bearers(message.get("headers") or (), token_settings().TOKEN_SIZE)


def has_token(message: Message) -> bool:
    """Say whether *message*, a ``websocket.connect``, came with a token, valid or not."""
    return bool(token_settings().VALIDATORS) and bool(tokens_of(message))


def client_of(message: Message) -> str:
    """Return the address of the client of *message*, "" if it is not known."""
    client = message.get("client")
    return str(client[0]) if client else ""


def counted_address(client: str) -> str:
    """Return the address under which the invalid tokens of *client* count."""
    return network_of(readable(client)) if client else ""
