"""Tokens of handshakes: they leave the subprotocols before anybody answers or logs those."""

from __future__ import annotations

from channels_workers.bearer import wire
from channels_workers.bearer.configuration import TokenSettings, token_settings
from channels_workers.conf import Configuration
from channels_workers.interface.backlog import Backlog
from channels_workers.interface.first_frame import FirstFrameProtocol
from channels_workers.interface.protocol import WebSocketProtocol
from channels_workers.interface.replies import consumers_path
from channels_workers.interface.traffic import Traffic
from channels_workers.interface.types import Scope
from channels_workers.log_limits import Episodes


def with_token(scope: Scope) -> Scope:
    """Return *scope* with the token of its subprotocols under a key of its own.

    It is "" if there are several, or one that cannot be read. Without ``VALIDATORS`` in
    ``CHANNEL_TOKENS`` nothing changes.
    """
    settings = token_settings()
    offered = scope.get("subprotocols") or ()
    if not settings.VALIDATORS or not any(each.startswith(wire.PREFIX) for each in offered):
        return scope
    found = [each for each in offered if each.startswith(wire.PREFIX)]
    token = wire.of_subprotocol(found[0], settings.TOKEN_SIZE) if len(found) == 1 else ""
    return {
        **scope,
        "subprotocols": [each for each in offered if not each.startswith(wire.PREFIX)],
        "headers": wire.without_tokens(scope.get("headers", ())),
        wire.TOKEN_KEY: token,
    }


def protocol_for(
    scope: Scope, limits: Configuration, episodes: Episodes, backlog: Backlog, traffic: Traffic
) -> WebSocketProtocol:
    """Return the protocol of the socket of *scope*, which :func:`with_token` has returned."""
    settings = token_settings()
    if sends_token_first(scope, settings):
        return FirstFrameProtocol(scope, limits, episodes, backlog, settings, traffic)
    return WebSocketProtocol(scope, limits, episodes, backlog, traffic)


def sends_token_first(scope: Scope, settings: TokenSettings) -> bool:
    """Say whether the first frame of the socket of *scope* is its token."""
    if not settings.FIRST_FRAME or wire.TOKEN_KEY in scope:
        return False
    path = f"{consumers_path(scope).rstrip('/')}/"
    if not any(path.startswith(f"{each.rstrip('/')}/") for each in settings.FIRST_FRAME):
        return False
    return not wire.bearers(scope.get("headers", ()), settings.TOKEN_SIZE)
