"""Handshakes that the interface server refuses by itself, before any work for them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from channels_workers.interface.servers.daphne.handshakes import refusing_with
from channels_workers.interface.types import Scope, close_event

#: How long a refused client may take to leave (s).
REFUSED_WITHIN = 10.0


async def refuse_handshake(
    scope: Scope, receive: Any, send: Any, status: HTTPStatus, retry_after: int, text: str
) -> None:
    """Answer *status* with Retry-After (s) where the server supports it, else 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        headers = {"Retry-After": str(retry_after), "Content-Length": "0", "Connection": "close"}
        with refusing_with(send, status, status.phrase, headers):
            await send(close_event(1000))
        return
    told = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"retry-after", str(retry_after).encode()),
    ]
    await send({"type": "websocket.http.response.start", "status": int(status), "headers": told})
    await send({"type": "websocket.http.response.body", "body": f"{text}\n".encode()})
    # uvicorn logs an error if the application returns before the connection is closed, because it
    # takes that for a missing answer. It sends two events: the answer has ended, then the
    # connection has.
    with suppress(TimeoutError):
        async with asyncio.timeout(REFUSED_WITHIN):
            await receive()
            await receive()


async def refuse_address(scope: Scope, receive: Any, send: Any) -> None:
    """Refuse a handshake: too many sockets of its address are open."""
    await receive()  # websocket.connect
    text = "Too many sockets of one address."
    await refuse_handshake(scope, receive, send, HTTPStatus.TOO_MANY_REQUESTS, 60, text)


async def postpone(scope: Scope, receive: Any, send: Any, retry_after: int) -> None:
    """Refuse a handshake for now: too many are under way."""
    text = "Too many handshakes are under way. Please come back."
    await refuse_handshake(scope, receive, send, HTTPStatus.SERVICE_UNAVAILABLE, retry_after, text)
