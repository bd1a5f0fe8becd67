"""The room whose consumer computes before it answers, as one that renders a page does."""

import time

from channels_workers import route
from channels_workers.message import Message
from labs.benchmarks.rooms.workers import consumers, routing

#: How long (s, of its core).
WORK = 0.0005


def ws_receive(message: Message) -> None:
    """Compute, then tell the room."""
    until = time.thread_time() + WORK
    while time.thread_time() < until:
        pass
    consumers.ws_receive(message)


channel_routing = [route("websocket.receive", ws_receive), *routing.channel_routing]
