"""The vocabulary of ASGI 3: what server programs and applications hand to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

#: What happened, or what is to happen: a dict with the key ``type``.
Event = dict[str, Any]

#: The facts about one connection, which do not change while it lasts.
Scope = Mapping[str, Any]

#: Waits for the next event of the client.
Receive = Callable[[], Awaitable[Event]]

#: Hands an event to the server program, for the client.
Send = Callable[[Event], Awaitable[None]]

#: An ASGI application: scope, receive, send. Some of ours get more than a server's ``receive``.
Application = Callable[[Any, Any, Any], Awaitable[None]]


def accept_event(subprotocol: str | None) -> Event:
    """Return the event that accepts a handshake."""
    return {"type": "websocket.accept", "subprotocol": subprotocol}


def close_event(code: int, reason: str = "") -> Event:
    """Return the event that closes a socket, or refuses its handshake."""
    event: Event = {"type": "websocket.close", "code": code}
    return event | {"reason": reason} if reason else event


def frame_size(event: Event) -> int:
    """Return how many bytes the frame of *event* has on its way."""
    text = event.get("text")
    if text is None:
        return len(event.get("bytes") or b"")
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
