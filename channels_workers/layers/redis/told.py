"""Waits for elements of lists: what servers tell the consumers of requests; see ``tell.lua``."""

from __future__ import annotations

import time

import redis.exceptions

from channels_workers.layers.redis.client import Client

#: The longest wait in one command (s): shorter than any time-out of a connection.
LONGEST_BLOCK = 2.0

#: The error of a command that waits while Redis becomes a replica.
UNBLOCKED = "UNBLOCKED"


def listen(client: Client, reply_channel: str, timeout: float) -> bytes | None:
    """Wait up to *timeout* seconds; return the next payload, None when the time is over."""
    name, until = f"told:{reply_channel}", time.monotonic() + timeout
    if timeout <= 0:
        payload: bytes | None = client.read("LPOP", name, "list")
        return payload
    while (left := until - time.monotonic()) > 0:
        if found := pop(client, name, min(left, LONGEST_BLOCK)):
            return found[1]
    return None


def pop(client: Client, name: str, timeout: float) -> tuple[bytes, bytes] | None:
    """Wait in one command for an element of a list; return key and element, None without one."""
    try:
        found: tuple[bytes, bytes] | None = client.read(
            "BLPOP", name, "list", f"{max(timeout, 0.001):.3f}"
        )
    except redis.exceptions.ResponseError as error:
        if not str(error).startswith(UNBLOCKED):
            raise
        return None
    return found
