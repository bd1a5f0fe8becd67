"""The layers of tests: always in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from channels.layers import channel_layers
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channels_workers.layers.memory.layer import InMemoryChannelLayer
from channels_workers.registry import get_channel_layer


def memory_layer(alias: str) -> InMemoryChannelLayer:
    """Return the layer *alias*; ImproperlyConfigured unless it is one in memory."""
    layer = get_channel_layer(alias)
    if not isinstance(layer, InMemoryChannelLayer):
        raise ImproperlyConfigured(
            f"Tests look into a layer in memory, but CHANNEL_LAYERS[{alias!r}] is a "
            f"{type(layer).__name__}. Derive the test from ChannelTestCase, with {alias!r} in its "
            "test_channel_aliases, or give the settings of the tests the BACKEND "
            "channels_workers.layers.memory.InMemoryChannelLayer."
        )
    return layer


@contextmanager
def fresh_layers(aliases: Iterable[str]) -> Iterator[None]:
    """Put a new layer in memory under each of *aliases*, and the former ones back at the end."""
    names = list(dict.fromkeys(aliases))
    check_aliases(names)
    former = {alias: channel_layers.set(alias, _fresh_layer(alias)) for alias in names}
    try:
        yield
    finally:
        for alias, layer in former.items():
            channel_layers.set(alias, layer)
            if layer is None:  # it was not made yet
                del channel_layers.backends[alias]


def _fresh_layer(alias: str) -> InMemoryChannelLayer:
    """Return a new layer in memory, whose groups have the history of the configured one."""
    config = settings.CHANNEL_LAYERS[alias].get("CONFIG", {})
    kept = {name: config[name] for name in ("history", "history_bytes") if name in config}
    return InMemoryChannelLayer(**kept)


def check_aliases(aliases: Iterable[str]) -> None:
    """Raise ImproperlyConfigured for an alias that ``CHANNEL_LAYERS`` does not have."""
    for alias in aliases:
        if alias not in channel_layers:
            get_channel_layer(alias)  # its error lists the aliases
