"""The configured channel layers, by alias: those of Channels 4, so that both see the same."""

from __future__ import annotations

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channels_workers.layers.base import WorkerLayer

__all__ = ["DEFAULT_CHANNEL_LAYER", "channel_layers", "get_channel_layer"]


def get_channel_layer(alias: str = DEFAULT_CHANNEL_LAYER) -> WorkerLayer:
    """Return the layer that ``CHANNEL_LAYERS[alias]`` configures.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` if there is none, or if it is
    a layer that cannot feed workers.
    """
    layer = channel_layers.backends.get(alias)  # it was asked for before
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
