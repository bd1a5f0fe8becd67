"""What the tests of the engine's modules share: a memory layer of their own."""

from collections.abc import Iterator

import pytest
from channels.layers import channel_layers
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from tests.channels_workers.clients import Client

MEMORY = "channels_workers.layers.memory.InMemoryChannelLayer"


@pytest.fixture
def memory_layer(settings: Settings) -> Iterator[InMemoryChannelLayer]:
    """A new layer, which `CHANNEL_LAYERS` configures as the default one."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}}
    layer = channel_layers["default"]
    assert isinstance(layer, InMemoryChannelLayer)
    yield layer
    assert not layer.store.stream_listeners, "Somebody still waits for messages of this layer."


@pytest.fixture
def client_socket(memory_layer: InMemoryChannelLayer) -> Client:
    """A connection that has published nothing yet."""
    return Client(memory_layer)
