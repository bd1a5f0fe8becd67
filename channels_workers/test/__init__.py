"""Tests of consumers, with and without sockets and workers; the names of Channels 1.1.8."""

from channels_workers.test.cases import (
    ChannelTestCase,
    ChannelTestCaseMixin,
    TransactionChannelTestCase,
)
from channels_workers.test.client import Client
from channels_workers.test.http import HttpClient
from channels_workers.test.liveserver import ChannelLiveServerTestCase
from channels_workers.test.relays import relay_sends
from channels_workers.test.routes import apply_routes
from channels_workers.test.websocket import WSClient

__all__ = [
    "ChannelLiveServerTestCase",
    "ChannelTestCase",
    "ChannelTestCaseMixin",
    "Client",
    "HttpClient",
    "TransactionChannelTestCase",
    "WSClient",
    "apply_routes",
    "relay_sends",
]
