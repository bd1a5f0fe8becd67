"""Consumers that a test calls itself, with a message that it made."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import Client as Browser
from django.test import TestCase
from pytest_django import Settings

from channels_workers.auth import (
    channel_and_http_session_user_from_http,
    channel_session_user,
    channel_session_user_from_http,
    http_session_user,
)
from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import new_id
from channels_workers.message import Message
from channels_workers.registry import get_channel_layer
from channels_workers.sessions import (
    channel_session,
    enforce_ordering,
    http_session,
    session_for_reply_channel,
)
from channels_workers.test import ChannelTestCase
from tests.channels_workers.conftest import MEMORY

REDIS = "channels_workers.layers.redis.RedisChannelLayer"

NAMES = ["x", "websocket.send!abc", "daphne.response.a!b"]


@channel_session
def remember(message: Message) -> None:
    message.channel_session["room"] = "tea"
    message.reply_channel.send({"room": "tea"})


@channel_session
def recall(message: Message) -> Any:
    return message.channel_session.get("room")


@channel_session
async def recall_async(message: Message) -> Any:
    return message.channel_session.get("room")


def nobody(message: Message) -> Any:
    return message.user.get_username(), getattr(message, "http_session", None)


class Called:
    """The tests of both kinds of test cases; none of them has a setting."""

    def test_the_session_persists(self) -> None:
        for name in NAMES:
            remember(Message({"reply_channel": name}, "websocket.connect", None))
            message = Message({"reply_channel": name, "text": "hi"}, "websocket.receive", None)
            assert recall(message) == "tea"
            assert session_for_reply_channel(name)["room"] == "tea"
        assert recall(Message({"reply_channel": "y"}, "websocket.receive", None)) is None

    def test_it_persists_with_a_layer_and_without_a_channel(self) -> None:
        layer = get_channel_layer()
        remember(Message({"reply_channel": "x"}, "websocket.connect", layer))
        name: Any = None  # as many tests of 1.x have it
        assert recall(Message({"reply_channel": "x"}, name, None)) == "tea"

    def test_no_session_is_left_by_the_test_before(self) -> None:
        if isinstance(self, ChannelTestCase):
            assert [session_for_reply_channel(name).get("room") for name in NAMES] == [None] * 3

    def test_a_session_that_the_test_prepares(self) -> None:
        session = session_for_reply_channel("prepared")
        session["room"] = "coffee"
        session.save()
        assert recall(Message({"reply_channel": "prepared"}, "websocket.receive", None)) == "coffee"

    def test_the_reply(self) -> None:
        remember(Message({"reply_channel": "replies"}, "websocket.connect", None))
        if isinstance(self, ChannelTestCase):
            reply = self.get_next_message("replies", require=True)
            assert reply is not None
            assert reply.content == {"room": "tea"}

    def test_ordering(self) -> None:
        consumer = enforce_ordering(recall)
        assert consumer(Message({"reply_channel": "o", "order": 7}, "x", None)) is None

    def test_the_user_of_the_page(self) -> None:
        ann = get_user_model().objects.create_user("ann", password="secret")
        browser = Browser()
        browser.force_login(ann)
        cookie = browser.cookies[django_settings.SESSION_COOKIE_NAME].OutputString([]).encode()
        for number, decorator in enumerate(
            [channel_session_user_from_http, channel_and_http_session_user_from_http]
        ):
            handshake = {
                "reply_channel": f"user.{number}",
                "path": "/",
                "headers": [[b"cookie", cookie]],
            }
            enter = decorator(lambda message: message.user)
            assert enter(Message(handshake, "websocket.connect", None)) == ann
            later = channel_session_user(lambda message: message.user)
            frame = {"reply_channel": f"user.{number}", "text": "hi"}
            assert later(Message(frame, "websocket.receive", None)) == ann

    def test_nobody(self) -> None:
        handshake = {"reply_channel": "n", "path": "/?a=b"}
        for decorator in (http_session_user, channel_session_user_from_http):
            assert decorator(nobody)(Message(handshake, "websocket.connect", None)) == ("", None)
        message = Message({"reply_channel": "n"}, "websocket.receive", None)
        assert channel_session_user(nobody)(message) == ("", None)

    def test_the_http_session_needs_a_handshake(self) -> None:
        consumer: Callable[[Message], Any] = http_session(lambda message: message.http_session)
        message = Message({"reply_channel": "x"}, "websocket.connect", None)
        with pytest.raises(ValueError, match="Cannot parse HTTP message"):
            consumer(message)


class ChannelTests(Called, ChannelTestCase):
    """With layers of its own, whatever the settings name."""


@pytest.mark.usefixtures("memory_layer")
class PlainTests(Called, TestCase):
    """With the layer of the settings, which is in memory."""


def test_an_async_consumer(memory_layer: InMemoryChannelLayer) -> None:
    remember(Message({"reply_channel": "x"}, "websocket.connect", None))
    message = Message({"reply_channel": "x"}, "websocket.receive", None)
    assert async_to_sync(recall_async)(message) == "tea"


def test_a_message_without_a_layer_has_the_default_one(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}}
    message = Message({}, "x", None)
    assert message.channel_layer is get_channel_layer()
    assert isinstance(message.channel, Channel)
    assert message.copy().channel_layer is message.channel_layer


def test_without_layers_it_still_has_a_content(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {}
    assert Message({"text": "hi"}, "x", None)["text"] == "hi"


@pytest.mark.parametrize("name", NAMES)
def test_redis_keeps_no_session_of_a_made_up_channel(name: str, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": REDIS, "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]}}
    }
    assert isinstance(get_channel_layer(), RedisChannelLayer)
    with pytest.raises(ImproperlyConfigured, match="derive the test from ChannelTestCase"):
        recall(Message({"reply_channel": name}, "websocket.connect", None))


def test_the_channel_of_an_ended_connection_gets_no_session(
    memory_layer: InMemoryChannelLayer,
) -> None:
    name = f"{new_id()}!{new_id()}"
    remember(Message({"reply_channel": name}, "websocket.receive", memory_layer))
    assert memory_layer.load_session(name) is None
