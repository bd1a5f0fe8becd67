"""The room whose consumer computes before it answers, like one that renders a page."""

import time

from channels_workers import route
from channels_workers.message import Message
from labs.benchmarks.rooms.workers import consumers, routing

#: How long (s of CPU time).
WORK = 0.0005


def ws_receive(message: Message) -> None:
    """Compute, then tell the room."""
    until = time.thread_time() + WORK
    while time.thread_time() < until:
        pass
    consumers.ws_receive(message)


channel_routing = [route("websocket.receive", ws_receive), *routing.channel_routing]
