"""The room of the soak with a leak: routing, and settings."""

from channels_workers import route
from channels_workers.message import Message
from labs.benchmarks.rooms.soak import routing
from labs.benchmarks.rooms.soak.consumers import ws_receive as receive

#: What each message leaves behind (bytes).
LEAK = 20_000

left = []


def ws_receive(message: Message) -> None:
    """Never forget a message."""
    left.append(bytes(LEAK).replace(b"\0", b"x"))
    receive(message)


channel_routing = [route("websocket.receive", ws_receive), *routing.channel_routing]
