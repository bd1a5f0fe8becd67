"""Sends from anywhere."""

import asyncio
import json
from typing import Any

import pytest
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.envelope import (
    Refused,
    agroup_send,
    asend,
    content_of,
    group_send,
    refuse,
    reply,
    send,
)
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.models import StoredSend
from tests.channels_workers.clients import Client


@pytest.fixture
def client(memory_layer: InMemoryChannelLayer) -> Client:
    found = Client(memory_layer)
    Group("news").add(found.reply_channel)
    return found


def frames(client: Client) -> list[dict[str, Any]]:
    return [json.loads(each["text"]) for each in client.replies]


def test_sends_outside_of_consumers(client: Client) -> None:
    send(client.reply_channel, 1)
    send(Channel(client.reply_channel), 2, stream="s")
    asyncio.run(asend(client.reply_channel, 3))
    group_send("news", 4, stream="s")
    group_send(Group("news"), 5)
    asyncio.run(agroup_send("news", 6, immediately=True))
    reply(client.reply_channel, 7, {"a": 1})
    refuse(client.reply_channel, "8", Refused("later", after=1))
    message = {"type": "message"}
    assert frames(client) == [
        {**message, "payload": 1},
        {**message, "stream": "s", "payload": 2},
        {**message, "payload": 3},
        {**message, "stream": "s", "group": "news", "payload": 4},
        {**message, "group": "news", "payload": 5},
        {**message, "group": "news", "payload": 6},
        {"type": "reply", "id": 7, "payload": {"a": 1}},
        {"type": "error", "id": "8", "code": "later", "message": "Try again later.", "after": 1},
    ]


def test_the_content_for_a_send_of_your_own(client: Client) -> None:
    Group("news").send({**content_of(1, group="news"), "close": 4000})
    assert client.replies == [
        {
            "text": '{"type":"message","group":"news","payload":1}',
            "position_key": "at",
            "close": 4000,
        }
    ]


def test_a_payload_that_is_no_json(client: Client) -> None:
    with pytest.raises(TypeError):
        send(client.reply_channel, object())
    with pytest.raises(ValueError, match="JSON"):
        group_send("news", float("inf"))
    assert client.replies == []


@pytest.mark.django_db
def test_sends_in_a_transaction(client: Client, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {**settings.CHANNEL_WORKERS, "RELAY": ["default"]}
    group_send("news", 1, in_transaction="default")
    assert StoredSend.objects.count() == 1
    assert client.replies == []
