import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from channels.exceptions import InvalidChannelLayerError
from channels.layers import get_channel_layer as get_layer_of_channels_4
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers import asgi
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.registry import channel_layers, get_channel_layer
from tests.channels_workers.conftest import MEMORY

REDIS = "channels_workers.layers.redis.RedisChannelLayer"


def test_each_alias_has_one_layer(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}, "other": {"BACKEND": MEMORY}}
    assert get_channel_layer() is get_channel_layer("default")
    assert get_channel_layer("other") is get_channel_layer("other")
    assert get_channel_layer("other") is not get_channel_layer()


def test_channels_4_has_the_same_layer(memory_layer: InMemoryChannelLayer) -> None:
    assert get_channel_layer() is get_layer_of_channels_4() is channel_layers["default"]


class Slow(InMemoryChannelLayer):
    """A layer whose creation is slow enough for another thread to interfere."""

    both = threading.Barrier(2)

    def __init__(self, **config: Any) -> None:
        with suppress(threading.BrokenBarrierError):
            self.both.wait(0.5)
        super().__init__(**config)


@pytest.mark.parametrize("get_layer", [get_channel_layer, get_layer_of_channels_4])
def test_concurrent_threads_get_the_same_layer(get_layer: Any, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Slow"}}
    with ThreadPoolExecutor(2) as threads:
        first, second = [threads.submit(get_layer) for _ in range(2)]
    assert first.result() is second.result()


def test_names_of_channels_1_have_kept_their_places() -> None:
    assert asgi.get_channel_layer is get_channel_layer
    assert asgi.channel_layers is channel_layers


def test_config_is_passed_to_the_layer(settings: Settings) -> None:
    config = {"hosts": ["redis://redis.example.com:6379/0"], "prefix": "chat", "capacity": 7}
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": config}}
    layer = get_channel_layer()
    assert isinstance(layer, RedisChannelLayer)
    assert (layer.client.prefix, layer.capacity) == (f"chat:{FORMAT_VERSION}:", 7)
    assert str(layer) == "RedisChannelLayer(redis://redis.example.com:6379/0)"


def test_a_changed_setting_takes_effect(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}}
    before = get_channel_layer()
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY, "CONFIG": {"capacity": 7}}}
    assert get_channel_layer() is not before
    assert get_channel_layer().capacity == 7


@pytest.mark.parametrize("layers", [{}, {"other": {"BACKEND": MEMORY}}])
def test_a_missing_alias_is_reported(layers: dict[str, dict[str, str]], settings: Settings) -> None:
    settings.CHANNEL_LAYERS = layers
    known = "'other'" if layers else "none"
    with pytest.raises(ImproperlyConfigured, match=f"has no 'default'; it has {known}"):
        get_channel_layer()


def test_without_the_setting_there_is_no_layer(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {}  # so that Channels forgets its layers
    del settings.CHANNEL_LAYERS
    with pytest.raises(ImproperlyConfigured, match="has no 'default'; it has none"):
        get_channel_layer()


def test_a_layer_without_worker_support_is_refused_with_the_remedy(settings: Settings) -> None:
    backend = "channels.layers.InMemoryChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}
    with pytest.raises(ImproperlyConfigured, match="InMemoryChannelLayer, which cannot") as caught:
        get_channel_layer()
    assert MEMORY in str(caught.value)
    assert REDIS in str(caught.value)


@pytest.mark.parametrize("layer", [{}, {"BACKEND": "no.such.Layer"}])
def test_a_nonexistent_backend_is_refused(layer: dict[str, str], settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": layer}
    with pytest.raises(InvalidChannelLayerError):
        get_channel_layer()
