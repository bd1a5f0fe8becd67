"""The names that Channels 1.1.8 has in this place."""

from channels_workers.test.cases import (
    ChannelTestCase,
    ChannelTestCaseMixin,
    TransactionChannelTestCase,
)
from channels_workers.test.client import Client
from channels_workers.test.routes import apply_routes

__all__ = [
    "ChannelTestCase",
    "ChannelTestCaseMixin",
    "Client",
    "TransactionChannelTestCase",
    "apply_routes",
]
