"""What is known of uvicorn's private parts."""

from __future__ import annotations

import asyncio
from typing import Any


def is_of_uvicorn(send: Any) -> bool:
    """Say whether *send* is uvicorn's own: a method of its protocol."""
    owner = type(getattr(send, "__self__", None))
    return owner.__module__.startswith("uvicorn.")


def transport_of(send: Any) -> asyncio.WriteTransport | None:
    """Return the transport that uvicorn's *send*, a method of its protocol, writes to."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if isinstance(transport, asyncio.WriteTransport) else None
