"""The requests about kept connections, and what their replies mean; no I/O.

See ``lua/lib/kept.lua``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from channels_workers.conf import configuration
from channels_workers.exceptions import ServerEvicted
from channels_workers.layers.kept import Adopted, HandOver
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.server import Server
from channels_workers.layers.types import KEPT_MARK, PendingMessage, new_id


def asked(server: str, channel: str) -> str:
    """Return how *server* asks about a reply channel; see ``lua/lib/kept.lua``."""
    return f"{channel}@{server}" if KEPT_MARK in channel else channel


def adopt(server: str, channel: str, has: int) -> Request:
    """Return the request that gives *server* a connection whose client has *has* frames."""
    return Request("adopt", [channel, server, new_id(), has], in_epoch=True)


def park(server: str, channel: str, code: int) -> Request:
    """Return the request that parks a connection of *server*."""
    arguments: Arguments = [asked(server, channel), code, configuration().PARKED]
    return Request("park", arguments, in_epoch=True)


def hears_resumes() -> Request:
    """Return the request that asks whether a worker listens to ``websocket.resume``."""
    return Request("hears_resumes", [], ordered=False)


def hand_over(found: HandOver) -> Request:
    """Return the request that hands over what a server had for a client."""
    return Request("hand_over", list(found))


def read_adopted(reply: Sequence[Any]) -> Adopted | None:
    """Return the result of ``adopt.lua``, or raise :class:`ServerEvicted`."""
    if reply[0] == b"evicted":
        raise ServerEvicted("This server is not registered in the layer.")
    if reply[0] != b"adopted":
        return None
    order, channel, payload, last, session, has_session, received, former, is_heard = reply[1:]
    return Adopted(
        order,
        PendingMessage(channel.decode(), payload) if channel else None,
        last,
        received,
        session if has_session else None,
        former.decode(),
        bool(is_heard),
    )


def restore(server: Server, epoch: str, size: int) -> Iterator[Request]:
    """Yield requests that restore what Redis has lost of kept connections."""
    states = list(server.kept.states.items())
    for at in range(0, len(states), size):
        arguments: Arguments = [server.id, epoch]
        for channel, kept in states[at : at + size]:
            code = "" if kept.parked is None else kept.parked
            groups = " ".join(server.groups_of.get(channel, ()))
            arguments += (channel, kept.resumes, code, groups)
        yield Request("restore_kept", arguments)
