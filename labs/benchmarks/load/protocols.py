"""What sockets of rooms speak, by name, with the client that speaks it."""

from __future__ import annotations

from labs.benchmarks.load.client import Client
from labs.benchmarks.load.deflate import DeflateClient
from labs.benchmarks.load.socketio import SocketIOClient

PROTOCOLS: dict[str, type[Client]] = {
    "plain": Client,
    "deflate": DeflateClient,
    "socketio": SocketIOClient,
}
