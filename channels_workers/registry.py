"""The configured channel layers by alias, shared with Channels 4."""

from __future__ import annotations

import threading
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import ChannelLayerManager, channel_layers
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channels_workers.concurrency import forks
from channels_workers.layers.base import WorkerLayer

__all__ = ["DEFAULT_CHANNEL_LAYER", "channel_layers", "get_channel_layer"]


class OneLayerEach(ChannelLayerManager):  # type: ignore[misc]
    """Makes one layer for each alias, even if several threads ask at once.

    Two layers would be two servers, and the end of the process would retire only one of them.
    """

    #: Re-entrant: a layer in the making may ask for another one.
    lock = threading.RLock()

    def __getitem__(self, alias: str) -> Any:
        """Return the layer of *alias*."""
        with self.lock:
            return super().__getitem__(alias)

    def begin_in_child(self) -> None:
        """Begin with a lock that no thread of the parent holds."""
        type(self).lock = threading.RLock()


# Libraries hold this very object, so its own class changes.
channel_layers.__class__ = OneLayerEach
forks.renew_in_child(channel_layers)


def get_channel_layer(alias: str = DEFAULT_CHANNEL_LAYER) -> WorkerLayer:
    """Return the layer that ``CHANNEL_LAYERS[alias]`` configures, the same for all callers.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` if there is none, or if it cannot
    feed workers.
    """
    layer = channel_layers.backends.get(alias)  # the usual case: it exists
    if isinstance(layer, WorkerLayer):
        return layer
    if alias not in channel_layers:
        known = ", ".join(map(repr, getattr(settings, "CHANNEL_LAYERS", {}))) or "none"
        raise ImproperlyConfigured(f"CHANNEL_LAYERS has no {alias!r}; it has {known}.")
    layer = channel_layers[alias]
    if not isinstance(layer, WorkerLayer):
        raise ImproperlyConfigured(
            f"CHANNEL_LAYERS[{alias!r}] is a {type(layer).__name__}, which cannot feed workers. "
            "Use channels_workers.layers.redis.RedisChannelLayer, or for one process "
            "channels_workers.layers.memory.InMemoryChannelLayer."
        )
    return layer


def alias_of(layer: WorkerLayer) -> str:
    """Return the alias of *layer*; ValueError if ``CHANNEL_LAYERS`` did not make it."""
    for alias, known in list(channel_layers.backends.items()):
        if known is layer:
            return str(alias)
    raise ValueError(
        f"{layer} is no layer of CHANNEL_LAYERS, so no worker knows it, and none can relay a "
        "stored send to it. Give the alias of a layer instead."
    )
