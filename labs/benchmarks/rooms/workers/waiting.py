"""The room whose consumer waits before it answers, as for a remote database."""

import time

from channels_workers import route
from channels_workers.message import Message
from labs.benchmarks.rooms.workers import consumers, routing

#: How long (s).
WAIT = 0.002


def ws_receive(message: Message) -> None:
    """Wait, then tell the room."""
    time.sleep(WAIT)
    consumers.ws_receive(message)


channel_routing = [route("websocket.receive", ws_receive), *routing.channel_routing]
