"""The requests about kept connections, and what their replies mean; no I/O.

See ``lua/lib/kept.lua``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from channels_workers.conf import configuration
from channels_workers.exceptions import ServerEvicted
from channels_workers.layers.kept import Adopted, Adoption, Claim, HandOver, Kept
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.server import Server
from channels_workers.layers.types import PendingMessage


def asked(claim: Claim, channel: str) -> str:
    """Return how the server of *claim* asks about a kept connection; see ``lua/lib/kept.lua``."""
    return f"{channel}@{claim.server}.{claim.adoption}"


def adopt(claim: Claim, channel: str, has: int, known: Kept | None) -> Request:
    """Return the request that gives a server a connection whose client has *has* frames.

    *known* is what the server knows of it already.
    """
    mine = "none" if known is None else known.adoption
    return Request("adopt", [channel, *claim, has, mine], in_epoch=True)


def park(claim: Claim, channel: str, code: int) -> Request:
    """Return the request that parks a connection."""
    arguments: Arguments = [asked(claim, channel), code, configuration().PARKED]
    return Request("park", arguments, in_epoch=True)


def hears_resumes() -> Request:
    """Return the request that asks whether a worker listens to ``websocket.resume``."""
    return Request("hears_resumes", [], ordered=False)


def hand_over(found: HandOver) -> Request:
    """Return the request that hands over what a server had for a client."""
    return Request("hand_over", list(found))


def read_adoption(reply: Sequence[Any]) -> Adoption | None:
    """Return the result of ``adopt.lua``, or raise :class:`ServerEvicted`."""
    if reply[0] == b"evicted":
        raise ServerEvicted("This server is not registered in the layer.")
    if reply[0] != b"adopted":
        return None
    order, channel, payload, last, session, has_session, received = reply[1:8]
    former, before, is_heard = reply[8:]
    adopted = Adopted(
        order,
        PendingMessage(channel.decode(), payload) if channel else None,
        last,
        received,
        session if has_session else None,
        former.decode(),
        bool(is_heard),
    )
    return Adoption(adopted, before.decode())


def restore(server: Server, epoch: str, size: int) -> Iterator[Request]:
    """Yield requests that restore what Redis has lost of kept connections."""
    states = list(server.kept.states.items())
    for at in range(0, len(states), size):
        arguments: Arguments = [server.id, epoch]
        for channel, kept in states[at : at + size]:
            code = "" if kept.parked is None else kept.parked
            groups = " ".join(server.groups_of.get(channel, ()))
            arguments += (channel, kept.adoption, kept.resumes, code, groups)
        yield Request("restore_kept", arguments)
