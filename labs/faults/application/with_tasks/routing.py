"""Which consumer runs for which channel."""

from channels_workers import route
from labs.faults.application.with_tasks import consumers

channel_routing = [
    route("websocket.connect", consumers.connect, path=r"^/room/(?P<room>\w+)/$"),
    route("websocket.receive", consumers.receive),
    route("websocket.disconnect", consumers.disconnect),
]
