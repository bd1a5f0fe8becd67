"""What a client offers to resume leaves the subprotocols before anybody answers or logs those."""

from __future__ import annotations

from channels_workers.bearer.configuration import token_settings
from channels_workers.bearer.wire import OFFER_KEY, SUBPROTOCOL, without_subprotocols
from channels_workers.conf import Configuration
from channels_workers.interface.resume import wire
from channels_workers.interface.tokens import sends_token_first
from channels_workers.interface.types import Scope


def with_offer(scope: Scope, limits: Configuration) -> Scope:
    """Return *scope* with what its client offers to resume under a key of its own.

    Without RESUME_TIME this holds only beside the subprotocol of the engine, whose clients expect
    it as the answer.
    """
    offered = scope.get("subprotocols")
    if not offered or not (limits.RESUME_TIME or SUBPROTOCOL in offered):
        return scope
    offer = wire.offer_of(offered)
    if offer is None:
        return scope
    headers = without_subprotocols(scope.get("headers", ()), _is_entry)
    others = [each for each in offered if not wire.is_entry(each)]
    return {**scope, "subprotocols": others, "headers": headers, OFFER_KEY: offer}


def _is_entry(entry: bytes) -> bool:
    return wire.is_entry(entry.decode("latin-1"))


def offer_of(scope: Scope, limits: Configuration) -> wire.Offer | None:
    """Return what the client of *scope* offers; None if its connection is not to be resumable.

    A socket whose first frame is its token never is: the token is not there when it resumes.
    """
    offer: wire.Offer | None = scope.get(OFFER_KEY)
    if offer is None or not limits.RESUME_TIME or sends_token_first(scope, token_settings()):
        return None
    return offer
