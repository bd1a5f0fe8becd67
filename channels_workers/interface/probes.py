"""Answers to programs that watch an interface server, below Django."""

from __future__ import annotations

import json
from typing import Any

from channels_workers.interface.types import Scope, Send


async def send_json(scope: Scope, send: Send, status: int, told: dict[str, Any]) -> None:
    """Send *told* with *status*; 405 unless the method is GET or HEAD."""
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if scope["method"] not in ("GET", "HEAD"):
        status, told = 405, {"status": "use GET or HEAD"}
        headers.append((b"allow", b"GET, HEAD"))
    body = f"{json.dumps(told)}\n".encode()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
