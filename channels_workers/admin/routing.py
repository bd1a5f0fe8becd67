"""The routes of the status page's socket, for ``include()`` in the routing of a project."""

from __future__ import annotations

from typing import Any

from channels_workers.admin import consumers
from channels_workers.layers.types import CONNECT, DISCONNECT, RECEIVE
from channels_workers.routing import Router, null_consumer, route

__all__ = ["channel_routing"]

_PATH = f"^{consumers.PATH}$"

channel_routing = [
    route(CONNECT, consumers.watch, path=_PATH),
    route(RECEIVE, null_consumer, path=_PATH),
    route(DISCONNECT, consumers.leave, path=_PATH),
    route(consumers.PUSH, consumers.push),
]


def serves_socket(router: Router) -> bool:
    """Say whether a socket of the status page reaches its consumer."""
    values: dict[str, Any] = {"path": consumers.PATH}
    match = router.root.match_values(CONNECT, values)
    return match is not None and match.consumer is consumers.watch
