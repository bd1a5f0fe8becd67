"""Which consumer runs for which channel."""

from channels_workers import route
from labs.benchmarks.rooms.soak.consumers import ws_receive
from labs.benchmarks.rooms.workers import consumers

channel_routing = [
    route("websocket.connect", consumers.ws_connect, path=r"^/chat/(?P<room>[\w-]+)/$"),
    route("websocket.connect", consumers.ws_nowhere),
    route("websocket.receive", ws_receive),
    route("websocket.disconnect", consumers.ws_disconnect),
]
