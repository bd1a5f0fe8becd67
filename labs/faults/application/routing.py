"""Which consumer runs for which channel."""

from channels_workers import route
from labs.faults.application import consumers

channel_routing = [
    route("websocket.connect", consumers.connect, path=r"^/room/(?P<room>\w+)/$"),
    route("websocket.receive", consumers.receive),
    route("websocket.disconnect", consumers.disconnect),
    route("later", consumers.later),
]
