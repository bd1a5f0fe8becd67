"""Sends that a test has stored."""

import pytest
from django.db import transaction
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.relays import Claim
from channels_workers.relay import rows
from channels_workers.test import Client, relay_sends

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def relayed(settings: Settings, memory_layer: InMemoryChannelLayer) -> None:
    settings.CHANNEL_WORKERS = {"RELAY": ["default"]}


def test_a_test_relays_itself() -> None:
    client = Client()
    for number in (1, 2):
        with transaction.atomic():
            Channel("work").send({"n": number}, in_transaction="default")
        assert client.get_next_message("work") is None
        relay_sends()
        message = client.get_next_message("work")
        assert message is not None
        assert message["n"] == number


def test_a_worker_that_relays_is_not_disturbed(memory_layer: InMemoryChannelLayer) -> None:
    name = rows.name_of("default", "default")
    assert memory_layer.relays.claim(Claim(name, "worker", 60)) is not None
    with pytest.raises(RuntimeError, match="A worker relays the database 'default'"):
        relay_sends()
