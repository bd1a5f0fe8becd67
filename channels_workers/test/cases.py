"""Test cases with layers of their own. The API is that of Channels 1.1.8."""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from django.test import TestCase, TransactionTestCase

from channels_workers.message import Message
from channels_workers.registry import DEFAULT_CHANNEL_LAYER
from channels_workers.test.connection import next_message
from channels_workers.test.layers import fresh_layers, memory_layer

# As a test case the mixin itself would be run as a test, with the tests of subclasses of it.
if TYPE_CHECKING:
    _Mixin = unittest.TestCase
else:
    _Mixin = object


class ChannelTestCaseMixin(_Mixin):
    """Gives each test new, empty layers in memory. Put it in front of your base class.

    The layers exist from ``setUp()`` to the last cleanup, whether the test fails or not.
    """

    #: The layers of ``CHANNEL_LAYERS`` that are replaced.
    test_channel_aliases: ClassVar[Sequence[str]] = [DEFAULT_CHANNEL_LAYER]

    # These are the entry points of unittest. setUp() belongs to subclasses, which need not call
    # super(). Django's _pre_setup() is private and changes between versions.

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test with layers of its own."""
        with fresh_layers(self.test_channel_aliases):
            return super().run(result)

    def debug(self) -> None:
        """Run the test with layers of its own, without catching exceptions."""
        with fresh_layers(self.test_channel_aliases):
            super().debug()

    def get_next_message(
        self, channel: str, alias: str = DEFAULT_CHANNEL_LAYER, require: bool = False
    ) -> Message | None:
        """Take the next message that was sent to *channel*, None if there is none.

        With *require* the test fails if there is none.
        """
        message = next_message(memory_layer(alias), channel)
        if message is None and require:
            self.fail(f"Expected a message on channel {channel}, got none")
        return message


class ChannelTestCase(ChannelTestCaseMixin, TestCase):
    """A ``django.test.TestCase`` with layers of its own."""


class TransactionChannelTestCase(ChannelTestCaseMixin, TransactionTestCase):
    """A ``django.test.TransactionTestCase`` with layers of its own."""
