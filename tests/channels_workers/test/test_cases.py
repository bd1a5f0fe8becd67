import unittest
from typing import Any, ClassVar

import pytest
from channels.layers import channel_layers
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import SimpleTestCase
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.registry import get_channel_layer
from channels_workers.test.cases import (
    ChannelTestCase,
    ChannelTestCaseMixin,
    TransactionChannelTestCase,
)
from channels_workers.test.client import Client

REDIS = "channels_workers.layers.redis.RedisChannelLayer"


@pytest.fixture(autouse=True)
def redis_layers(settings: Settings) -> None:
    """Layers that no test may reach."""
    config = {"BACKEND": REDIS, "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]}}
    settings.CHANNEL_LAYERS = {"default": config, "other": config}


class Case(ChannelTestCaseMixin, SimpleTestCase):
    """A case that the tests below run by hand."""

    seen: ClassVar[list[Any]] = []

    def setUp(self) -> None:  # without super()
        self.seen.append(channel_layers["default"])

    def tearDown(self) -> None:
        self.seen.append(channel_layers["default"])

    def passes(self) -> None:
        self.seen.append(channel_layers["default"])

    def fails(self) -> None:
        raise ValueError("broken")


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    Case.seen.clear()


def run(case: unittest.TestCase) -> unittest.TestResult:
    result = unittest.TestResult()
    case(result)
    return result


def test_the_mixin_is_not_a_test_case() -> None:
    class Mixin(ChannelTestCaseMixin):
        def test_of_the_mixin(self) -> None:
            raise AssertionError("There is no test case.")

    assert not issubclass(Mixin, unittest.TestCase)
    assert run(type("Mixed", (Mixin, SimpleTestCase), {})("test_of_the_mixin")).failures != []


def test_each_test_has_its_own_layer() -> None:
    assert run(Case("passes")).wasSuccessful()
    first = list(Case.seen)
    assert run(Case("passes")).wasSuccessful()
    assert [type(layer) for layer in first] == [InMemoryChannelLayer] * 3
    assert len({id(layer) for layer in Case.seen}) == 2


@pytest.mark.parametrize("method", ["passes", "fails"])
def test_the_previous_layer_is_restored(method: str) -> None:
    layer = channel_layers["default"]
    run(Case(method))
    assert channel_layers["default"] is layer


def test_an_unused_layer_is_not_created() -> None:
    run(Case("passes"))
    assert "default" not in channel_layers.backends


def test_debug_has_its_own_layer_too() -> None:
    with pytest.raises(ValueError, match="broken"):
        Case("fails").debug()
    Case("passes").debug()
    assert {type(layer) for layer in Case.seen} == {InMemoryChannelLayer}
    assert "default" not in channel_layers.backends


def test_several_layers() -> None:
    class Both(Case):
        test_channel_aliases = ("default", "other", "default")

        def passes(self) -> None:
            Channel("x").send({"in": "default"})
            Channel("x", alias="other").send({"in": "other"})
            assert self.get_next_message("x", alias="other", require=True)["in"] == "other"
            assert self.get_next_message("x", require=True)["in"] == "default"

    assert run(Both("passes")).errors == []
    assert channel_layers.backends == {}


def test_an_unknown_alias() -> None:
    class Unknown(Case):
        test_channel_aliases = ("nowhere",)

    with pytest.raises(ImproperlyConfigured, match="CHANNEL_LAYERS has no 'nowhere'"):
        run(Unknown("passes"))


def test_a_layer_that_was_not_replaced() -> None:
    with pytest.raises(ImproperlyConfigured, match="Derive the test from ChannelTestCase"):
        Case("passes").get_next_message("x")


class MessageTests(ChannelTestCase):
    """Run by pytest, like tests of users."""

    def test_a_required_message(self) -> None:
        assert self.get_next_message("x") is None
        with pytest.raises(AssertionError, match="Expected a message on channel x, got none"):
            self.get_next_message("x", require=True)

    def test_messages_are_ordered_and_have_ids(self) -> None:
        for number in range(3):
            Channel("x").send({"number": number})
        messages = [self.get_next_message("x", require=True) for _ in range(3)]
        assert [message["number"] for message in messages if message] == [0, 1, 2]
        assert len({message.id for message in messages if message}) == 3

    def test_the_channels_of_a_group(self) -> None:
        client = Client()
        client.join_group("group")
        Group("group").add("x")
        channels = get_channel_layer().group_channels("group")
        assert channels == {"x", client.reply_channel}

    def test_a_group_of_ordinary_channels(self) -> None:
        Group("group").add("x")
        Group("group").send({"value": 42})
        message = self.get_next_message("x", require=True)
        assert message is not None
        assert (message.channel.name, message.content) == ("x", {"value": 42})

    def test_each_test_runs_in_a_transaction(self) -> None:
        assert connection.in_atomic_block


class TransactionTests(TransactionChannelTestCase):
    """Also run by pytest."""

    def test_tests_run_without_a_transaction(self) -> None:
        assert not connection.in_atomic_block
        assert isinstance(channel_layers["default"], InMemoryChannelLayer)
