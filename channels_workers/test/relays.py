"""Sends what tests have stored in a transaction, which no worker does."""

from __future__ import annotations

from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer
from channels_workers.relay.relay import Relay


def relay_sends(using: str = "default", alias: str = DEFAULT_CHANNEL_LAYER) -> None:
    """Send what is stored in the database *using* for the layer *alias*, as workers do.

    It sees the transaction of the test. Raises RuntimeError if a worker relays that database.
    """
    relay = Relay(using, get_channel_layer(alias), alias)
    if not relay.look():
        raise RuntimeError(f"A worker relays the database {using!r}. Wait for its effect instead.")
    relay.release()
