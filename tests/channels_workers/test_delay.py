"""The app of delayed messages; `layers/contract.py` and `test_channel.py` test the messages."""

import pytest
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.delay import acancel, cancel
from channels_workers.delay.apps import DelayConfig
from channels_workers.layers.memory import InMemoryChannelLayer
from tests.channels_workers.clients import outbox_of
from tests.channels_workers.conftest import MEMORY


def test_a_delayed_message_is_cancelled(memory_layer: InMemoryChannelLayer) -> None:
    sent = str(Channel("background").send({}, delay=5))
    assert cancel(sent)
    assert not cancel(sent)
    assert memory_layer.admin.delayed() == []


async def test_a_coroutine_cancels(memory_layer: InMemoryChannelLayer) -> None:
    sent = str(await Channel("background").asend({}, delay=5))
    assert await acancel(sent)
    assert not await acancel(sent)
    assert memory_layer.admin.delayed() == []


def test_it_acts_at_once_in_a_consumer(memory_layer: InMemoryChannelLayer) -> None:
    sent = str(Channel("background").send({}, delay=5))
    with outbox_of(memory_layer):
        assert not cancel(str(Channel("background").send({}, delay=5)))
        assert cancel(sent)


def test_a_message_of_another_layer_is_cancelled(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}, "other": {"BACKEND": MEMORY}}
    sent = str(Channel("background", alias="other").send({}, delay=5))
    assert not cancel(sent)
    assert cancel(sent, alias="other")
    with pytest.raises(ImproperlyConfigured, match="has no 'missing'"):
        cancel(sent, "missing")


def test_it_may_be_an_installed_app() -> None:
    config = AppConfig.create("channels_workers.delay")
    assert isinstance(config, DelayConfig)
    assert isinstance(AppConfig.create("channels_workers.delay.apps.DelayConfig"), DelayConfig)
