"""Which consumer runs for which channel."""

from channels_workers import route
from labs.benchmarks.rooms.soak.consumers import ws_receive
from labs.benchmarks.rooms.workers import routing

channel_routing = [route("websocket.receive", ws_receive), *routing.channel_routing]
